// Classic script, loaded before first paint: a module would run after it and the page would flash in the wrong theme.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try {
    chosen = localStorage.getItem('mammoserve.theme');
  } catch {
    chosen = null; // storage is refused in some private windows; the page's own default then holds
  }
  const prefersDark = matchMedia('(prefers-color-scheme: dark)').matches;
  const fallback = root.dataset.defaultTheme === 'dark' || prefersDark ? 'dark' : 'light';
  root.dataset.bsTheme = chosen === 'dark' || chosen === 'light' ? chosen : fallback;
})();
