// Applies migrations/*.sql to a SQLite file, each once, in order, in a transaction of its own.
//
// Each is made on a copy, which takes the file's place when it is done: a migration that is killed, at any moment, leaves
// the file as it was. (In place, SQLite's lock, here a folder, would outlive the process and stop every later migration.)
// No other process may write to the file meanwhile: the runner allows one migration at a time.
const { createHash } = require('node:crypto');
const { closeSync, copyFileSync, existsSync, fsyncSync, mkdirSync, mkdtempSync, openSync } = require('node:fs');
const { readFileSync, readdirSync, renameSync, rmSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Database } = require('node-sqlite3-wasm');

const environment = process.env.ENVIRONMENT;
if (!environment) {
  console.error('ENVIRONMENT is not set: whose database is it?');
  process.exit(2);
}
const root = join(__dirname, '..');
const file = process.env.DATABASE_FILE ?? join(root, 'data', `${environment}.sqlite`);

let work;
try {
  mkdirSync(dirname(file), { recursive: true });
  work = mkdtempSync(`${file}.migrating-`);
  const applied = onCopy((database) => new Map(database.all('SELECT name, checksum FROM schema_migrations').map((r) => [r.name, r.checksum])));
  const folder = join(root, 'migrations');
  let count = 0;
  for (const name of readdirSync(folder).filter((n) => n.endsWith('.sql')).sort()) {
    const sql = readFileSync(join(folder, name), 'utf8');
    const checksum = createHash('sha256').update(sql).digest('hex');
    if (applied.has(name)) {
      if (applied.get(name) !== checksum) throw new Error(`${name} was changed after it had been applied: add a new migration instead`);
      continue;
    }
    apply(name, sql, checksum);
    count++;
  }
  console.log(count === 0 ? `${environment} is up to date` : `${environment}: ${count} applied`);
} catch (error) {
  console.error(`${environment}: ${error.message}`);
  process.exitCode = 1;
} finally {
  if (work) rmSync(work, { recursive: true });
}

function apply(name, sql, checksum) {
  try {
    onCopy((database) => {
      database.exec('BEGIN');
      database.exec(sql);
      database.run('INSERT INTO schema_migrations VALUES (?, ?, ?)', [name, checksum, new Date().toISOString()]);
      database.exec('COMMIT');
    });
  } catch (error) {
    throw new Error(`${name}: ${error.message}`); // the copy is thrown away, and with it what was done so far
  }
  const copy = openSync(join(work, 'copy'));
  fsyncSync(copy);
  closeSync(copy);
  renameSync(join(work, 'copy'), file);
  console.log(`applied ${name}`);
}

function onCopy(use) {
  const copy = join(work, 'copy');
  if (existsSync(file)) copyFileSync(file, copy);
  const database = new Database(copy);
  try {
    database.exec(`CREATE TABLE IF NOT EXISTS schema_migrations (
      name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)`);
    return use(database);
  } finally {
    database.close();
  }
}
