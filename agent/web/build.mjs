// Bundles the page into dist/, which xenwarden-api embeds when it is built.
import { build } from 'esbuild'
import { copyFile } from 'node:fs/promises'

await build({
  entryPoints: { app: 'src/main.js' },
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'eof',
  logLevel: 'warning',
})
await copyFile('src/index.html', 'dist/index.html')
