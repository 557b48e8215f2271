import path from 'node:path';

import { defineConfig } from 'vite';

import { ejsPages } from './build/ejs-pages.js';
import { pages } from './build/pages.js';
import { catalogue as en } from './src/strings/catalogue-en.js';
import { catalogue as es } from './src/strings/catalogue-es.js';
import { languages } from './src/strings/languages.js';

export default defineConfig({
  resolve: { alias: { '@': path.resolve('src') } },
  server: { fs: { allow: ['..'] } },
  appType: 'mpa',
  base: '/',
  publicDir: 'public',
  plugins: [ejsPages({ pages, languages, catalogues: { en, es }, blocking: 'src/theme-boot.js' })],
  build: {
    outDir: 'dist',
    assetsDir: 'static',
    assetsInlineLimit: 0, // the Content-Security-Policy allows fonts and scripts from this host alone, not data: URLs
    modulePreload: { polyfill: false },
    target: 'es2022',
    sourcemap: false,
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  css: {
    preprocessorOptions: {
      scss: {
        quietDeps: true,
        // Bootstrap 5 is written with @import; its authors move away from it in version 6.
        silenceDeprecations: ['import', 'global-builtin', 'color-functions'],
      },
    },
  },
  test: {
    environment: 'jsdom',
    globals: true, // the tests live outside this folder and so cannot import vitest by name
    dir: '../tests/frontend_tests',
    include: ['**/*.test.js'],
    setupFiles: ['../tests/frontend_tests/setup.js'],
    restoreMocks: true,
  },
});
