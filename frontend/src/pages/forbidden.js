/** What a reader finds at an address for administrators: words, and the way back. The server answers 403 with it. */
import { chromeStart } from '../components/chrome.js';

chromeStart();
