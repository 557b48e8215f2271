/** The pages of the site: what each is called, where the server shows it, and the theme it opens in when nobody chose one. */
export const pages = [
  { name: 'login', script: 'login', title: 'pages.login', nav: null, theme: 'auto' },
  { name: 'index', script: 'worklist', title: 'pages.worklist', nav: 'worklist', theme: 'auto' },
  { name: 'upload', script: 'upload', title: 'pages.upload', nav: 'upload', theme: 'auto' },
  { name: 'job', script: 'job', title: 'pages.job', nav: null, theme: 'dark' },
];
