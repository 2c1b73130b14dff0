// Applies migrations/*.sql to a SQLite file, each once, in order, in a transaction of its own.
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Database } = require('node-sqlite3-wasm');

const environment = process.env.ENVIRONMENT;
if (!environment) {
  console.error('ENVIRONMENT is not set: whose database is it?');
  process.exit(2);
}
const root = join(__dirname, '..');
const file = process.env.DATABASE_FILE ?? join(root, 'data', `${environment}.sqlite`);
const owner = `${file}.pid`;
let database;
try {
  mkdirSync(dirname(file), { recursive: true });
  claim();
  database = new Database(file);
  database.exec(`CREATE TABLE IF NOT EXISTS schema_migrations (
    name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)`);
  const applied = new Map(database.all('SELECT name, checksum FROM schema_migrations').map((r) => [r.name, r.checksum]));
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
  if (database) {
    database.close();
    rmSync(owner);
  }
}

// SQLite's lock is a folder here, which outlives a process that is killed and would stop every later migration.
// So whoever migrates leaves its process number: a lock whose owner is gone may go too.
function claim() {
  try {
    const pid = Number(readFileSync(owner, 'utf8'));
    if (pid > 0 && pid !== process.pid && isRunning(pid)) throw new Error(`process ${pid} is migrating already; if it is not, remove ${owner}`);
    rmSync(`${file}.lock`, { recursive: true, force: true });
    rmSync(owner);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  writeFileSync(owner, String(process.pid), { flag: 'wx' });
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function apply(name, sql, checksum) {
  database.exec('BEGIN');
  try {
    database.exec(sql);
    if (!database.inTransaction) throw new Error('it ends its own transaction, so a part of it stands');
    database.run('INSERT INTO schema_migrations VALUES (?, ?, ?)', [name, checksum, new Date().toISOString()]);
    database.exec('COMMIT');
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw new Error(`${name}: ${error.message}`);
  }
  console.log(`applied ${name}`);
}
