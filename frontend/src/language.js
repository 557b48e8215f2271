/** The language picker: remembers the choice for the server, which has every page in every language, and asks for this one again. */
import { languageCookie } from './strings/languages.js';

const yearSeconds = 365 * 24 * 3600;

/** The cookie's text; `secure` behind TLS. */
export const languageCookieText = (code, secure) =>
  `${languageCookie}=${code}; path=/; max-age=${yearSeconds}; samesite=lax${secure ? '; secure' : ''}`;

/** `reload` keeps the address with its query and hash. */
export function languagePickerAttach({ reload = () => location.reload() } = {}) {
  for (const button of document.querySelectorAll('[data-language]')) {
    button.addEventListener('click', () => {
      if (button.dataset.language === document.documentElement.lang) return;
      document.cookie = languageCookieText(button.dataset.language, location.protocol === 'https:');
      reload();
    });
  }
}
