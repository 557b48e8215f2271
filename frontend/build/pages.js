/**
 * The pages of the site: what each is called, where the server shows it, and the theme it opens in when nobody chose one.
 * `open`: for anybody, signed in or not.
 * `later`: modules that the page loads once it knows what to show, fetched meanwhile.
 */
export const pages = [
  { name: 'login', script: 'login', title: 'pages.login', nav: null, theme: 'auto' },
  { name: 'index', script: 'worklist', title: 'pages.worklist', nav: 'worklist', theme: 'auto' },
  { name: 'upload', script: 'upload', title: 'pages.upload', nav: 'upload', theme: 'auto' },
  { name: 'job', script: 'job', title: 'pages.job', nav: null, theme: 'dark', later: ['src/viewer/index.js'] },
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
  { name: 'audit', script: 'audit', title: 'pages.audit', nav: 'administration', theme: 'auto' },
  { name: 'people', script: 'people', title: 'people.heading', nav: 'administration', theme: 'auto' },
  { name: 'tokens', script: 'tokens', title: 'tokens.heading', nav: 'administration', theme: 'auto' },
  { name: 'webhooks', script: 'webhooks', title: 'webhooks.heading', nav: 'administration', theme: 'auto' },
  { name: 'webhook', script: 'webhook', title: 'webhook.heading', nav: 'administration', theme: 'auto' },
  { name: 'sites', script: 'sites', title: 'sites.heading', nav: 'administration', theme: 'auto' },
  { name: 'operations', script: 'operations', title: 'operations.heading', nav: 'administration', theme: 'auto' },
  { name: 'guide', script: 'guide', title: 'guide.heading', nav: null, theme: 'auto', open: true },
  { name: 'password', script: 'password', title: 'password.heading', nav: null, theme: 'auto' },
  { name: 'forbidden', script: 'forbidden', title: 'pages.forbidden', nav: null, theme: 'auto' },
  { name: 'not-found', script: 'broken', title: 'broken.notFoundHeading', nav: null, theme: 'auto', bare: true },
  { name: 'server-error', script: 'broken', title: 'broken.errorHeading', nav: null, theme: 'auto', bare: true },
  { name: 'unavailable', script: 'broken', title: 'broken.awayHeading', nav: null, theme: 'auto', bare: true },
];
