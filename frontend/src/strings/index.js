/**
 * The words of this page's language. The page loads its catalogue alone (catalogue-<language>.js composes it, build/ejs-pages.js
 * makes a script of it) before any module runs: a deferred script rather than a dynamic import, because browsers disagree about
 * modules that wait.
 */
import { translator } from './translator.js';

export const { locale, t, tOr, plural, entries } = translator(globalThis.mammoserveWords);
