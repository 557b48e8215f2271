/** The theme switch. theme-boot.js has already set the theme before first paint; this only changes and remembers it. */
import { t } from './strings/index.js';

const key = 'mammoserve.theme';

function label(button) {
  const dark = document.documentElement.dataset.bsTheme === 'dark';
  const words = t(dark ? 'nav.themeToLight' : 'nav.themeToDark');
  button.setAttribute('aria-label', words);
  button.title = words;
}

export function themeSwitchAttach(button) {
  label(button);
  button.addEventListener('click', () => {
    const root = document.documentElement;
    root.dataset.bsTheme = root.dataset.bsTheme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(key, root.dataset.bsTheme);
    } catch {
      // storage refused: the choice holds for this page, which is what the person sees
    }
    label(button);
  });
}
