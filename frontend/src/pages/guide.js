/** The integrator's guide: the text is in the page; here its examples get this server's address and a button to copy them. */
import { chromeStart } from '../components/chrome.js';
import { contentsFollow, examplesPrepare } from '../components/guide-parts.js';
import { byId } from '../dom.js';

examplesPrepare(byId('guide-text'), { origin: location.origin, said: byId('announce') });
contentsFollow(byId('contents'));
chromeStart({ open: true });
