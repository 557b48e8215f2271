import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['**/dist/', '**/node_modules/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: { ...globals.browser } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // What the server says is text, never markup.
      'no-restricted-properties': [
        'error',
        { property: 'innerHTML', message: 'Build nodes with dom.js.' },
        { property: 'outerHTML', message: 'Build nodes with dom.js.' },
        { property: 'insertAdjacentHTML', message: 'Build nodes with dom.js.' },
      ],
    },
  },
  { files: ['**/src/**/*-worker.js'], languageOptions: { globals: { ...globals.worker } } },
  { files: ['**/src/theme-boot.js'], languageOptions: { sourceType: 'script' } },
  { files: ['**/build/**/*.js', '**/*.config.js'], languageOptions: { globals: { ...globals.node } } },
  {
    files: ['**/frontend_tests/**/*.js'],
    languageOptions: { globals: { ...globals.node, ...globals.vitest } },
  },
];
