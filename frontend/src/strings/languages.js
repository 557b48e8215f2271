/** The languages of the pages, each by its own name. config/languages.py of the platform serves the same ones. */
export const languages = [
  { code: 'en', name: 'English' },
  { code: 'es', name: 'Español' },
];

export const languageCookie = 'mammoserve_language';
