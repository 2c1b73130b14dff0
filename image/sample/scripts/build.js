// Bundles the shop into dist/, with a source map and a list of what went into it.
const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const esbuild = require('esbuild');

const root = join(__dirname, '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
const { metafile } = esbuild.buildSync({
  absWorkingDir: root,
  entryPoints: ['packages/app/src/main.ts'],
  outfile: join(dist, 'server.js'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  metafile: true,
});
writeFileSync(join(dist, 'meta.json'), JSON.stringify(metafile, null, 2));
for (const [file, { bytes }] of Object.entries(metafile.outputs)) console.log(`${file}  ${bytes} bytes`);
