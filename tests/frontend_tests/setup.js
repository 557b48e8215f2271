/** What the build's script of words does for a page: the English catalogue, unless a test sets another before it imports. */
import { catalogue } from '@/strings/catalogue-en.js';

globalThis.mammoserveWords = catalogue;
