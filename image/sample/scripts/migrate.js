// Applies migrations/*.sql to a SQLite file, each once, in order, in a transaction of its own.
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, readdirSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Database } = require('node-sqlite3-wasm');

const environment = process.env.ENVIRONMENT;
if (!environment) {
  console.error('ENVIRONMENT is not set: whose database is it?');
  process.exit(2);
}
const root = join(__dirname, '..');
const file = process.env.DATABASE_FILE ?? join(root, 'data', `${environment}.sqlite`);
mkdirSync(dirname(file), { recursive: true });

const database = new Database(file);
try {
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
  database.close();
}

function apply(name, sql, checksum) {
  database.exec('BEGIN');
  try {
    database.exec(sql);
    database.run('INSERT INTO schema_migrations VALUES (?, ?, ?)', [name, checksum, new Date().toISOString()]);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw new Error(`${name}: ${error.message}`);
  }
  console.log(`applied ${name}`);
}
