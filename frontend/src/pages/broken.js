/** Pages the server answers with when there is nothing else to show. They ask it for nothing, because it may not be able to answer. */
import { byId } from '../dom.js';

byId('again')?.addEventListener('click', (event) => {
  event.preventDefault();
  location.reload();
});
