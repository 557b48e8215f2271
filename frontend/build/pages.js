/** The pages of the site: what each is called, where the server shows it, and the theme it opens in when nobody chose one. */
export const pages = [
  { name: 'login', script: 'login', title: 'pages.login', nav: null, theme: 'auto' },
  { name: 'index', script: 'worklist', title: 'pages.worklist', nav: 'worklist', theme: 'auto' },
  { name: 'upload', script: 'upload', title: 'pages.upload', nav: 'upload', theme: 'auto' },
  { name: 'job', script: 'job', title: 'pages.job', nav: null, theme: 'dark' },
  { name: 'batches', script: 'batches', title: 'batches.heading', nav: 'batches', theme: 'auto' },
  { name: 'batch', script: 'batch', title: 'batch.heading', nav: 'batches', theme: 'auto' },
  { name: 'quarantine', script: 'quarantine', title: 'quarantine.heading', nav: 'batches', theme: 'auto' },
  { name: 'job-compare', script: 'job-compare', title: 'pages.jobCompare', nav: null, theme: 'dark' },
  { name: 'models', script: 'models', title: 'pages.models', nav: 'models', theme: 'auto' },
  { name: 'model', script: 'model', title: 'pages.model', nav: 'models', theme: 'auto' },
  { name: 'model-compare', script: 'model-compare', title: 'pages.modelCompare', nav: 'models', theme: 'auto' },
  { name: 'deployments', script: 'deployments', title: 'pages.deployments', nav: 'deployments', theme: 'auto' },
  { name: 'agreement', script: 'agreement', title: 'pages.agreement', nav: 'deployments', theme: 'auto' },
  { name: 'monitoring', script: 'monitoring', title: 'pages.monitoring', nav: 'monitoring', theme: 'auto' },
  { name: 'audit', script: 'audit', title: 'pages.audit', nav: 'audit', theme: 'auto' },
  { name: 'forbidden', script: 'forbidden', title: 'pages.forbidden', nav: null, theme: 'auto' },
];
