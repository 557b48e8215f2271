/** What every signed-in page shares: session, account menu, theme, session expiry, the connection banner, the last-resort error. */
import Collapse from 'bootstrap/js/dist/collapse.js';
import Dropdown from 'bootstrap/js/dist/dropdown.js';

import { api, onPasswordWanted, onUnauthenticated } from '../api.js';
import { byId, textSet } from '../dom.js';
import { focusShowAttach } from '../focus.js';
import { languagePickerAttach } from '../language.js';
import { loginPath, passwordPath, signInPath } from '../navigation.js';
import { administersEverySite, isAdministrator, maySubmit } from '../rights.js';
import { t } from '../strings/index.js';
import { themeSwitchAttach } from '../theme.js';
import { unsavedHeld, unsavedWatch } from '../unsaved.js';
import { renewalAsk } from './renewal-dialog.js';
import { toast, toastCarried, toastCarry, toastProblem } from './toasts.js';

let person = null;

/** The session has ended: to the login page and back, or a sign-in on the spot where leaving would lose what was typed. */
export function toLogin() {
  const leave = () => location.assign(loginPath(location));
  if (person && unsavedHeld()) renewalAsk({ username: person, leave });
  else leave();
}

/** A promise nobody handled must not fail in silence. */
export function crashReporterAttach() {
  window.addEventListener('unhandledrejection', (event) => {
    if (event.reason?.name === 'AbortError') return;
    toastProblem(event.reason ?? {});
  });
  window.addEventListener('error', (event) => {
    if (event.error) toast({ kind: 'danger', title: t('errors.crashTitle'), sentences: [t('errors.crash')] });
  });
}

function accountShow(session) {
  for (const node of document.querySelectorAll('[data-account-name]')) textSet(node, session.user?.username ?? '');
  for (const node of document.querySelectorAll('[data-site-name]')) textSet(node, session.site?.name ?? '');
  for (const node of document.querySelectorAll('[data-version]')) {
    textSet(node, session.version ? t('nav.version', { version: session.version }) : '');
  }
  byId('account')?.removeAttribute('hidden');
  if (isAdministrator(session)) {
    for (const node of document.querySelectorAll('[data-administrators]')) node.removeAttribute('hidden');
  }
  if (maySubmit(session)) {
    for (const node of document.querySelectorAll('[data-submitters]')) node.removeAttribute('hidden');
  }
  if (administersEverySite(session)) {
    for (const node of document.querySelectorAll('[data-every-site]')) node.removeAttribute('hidden');
  }
}

/** On a page that is open to all: the way to sign in and back. */
function visitorShow() {
  byId('sign-in').href = signInPath(location);
  byId('sign-in').hidden = false;
}

/**
 * Prepares the page; resolves to the session, or never when the browser is on its way to the login page. A page that is `open`
 * to all stays where nobody is signed in.
 */
export async function chromeStart({ open = false } = {}) {
  crashReporterAttach();
  unsavedWatch();
  offlineWatch();
  focusShowAttach();
  onUnauthenticated(toLogin);
  onPasswordWanted(() => location.assign(passwordPath(location)));
  themeSwitchAttach(byId('theme-switch'));
  languagePickerAttach();
  Dropdown.getOrCreateInstance(byId('account-toggle'));
  const menu = byId('menu');
  byId('menu-toggle').addEventListener('click', () => Collapse.getOrCreateInstance(menu, { toggle: false }).toggle());
  menu.addEventListener('show.bs.collapse', () => byId('menu-toggle').setAttribute('aria-expanded', 'true'));
  menu.addEventListener('hide.bs.collapse', () => byId('menu-toggle').setAttribute('aria-expanded', 'false'));
  toastCarried();
  byId('sign-out').addEventListener('click', async () => {
    try {
      await api.sessionClose();
      location.assign('/login');
    } catch (problem) {
      toastProblem(problem);
    }
  });
  const session = await sessionInsist();
  if (!session.authenticated && open) {
    visitorShow();
    return session;
  }
  if (!session.authenticated) {
    toLogin();
    return new Promise(() => {});
  }
  person = session.user.username;
  accountShow(session);
  return session;
}

/** Pages that do not poll learn of a lost network here; those that do would find out at their next question. */
function offlineWatch() {
  window.addEventListener('offline', () =>
    connectionShow({ name: 'retrying', seconds: 0, error: { title: t('errors.connectionTitle') } }),
  );
  window.addEventListener('online', () => connectionShow({ name: 'live' }));
}

/** The page is useless without its session, so a server that is away is asked again, visibly. */
async function sessionInsist() {
  for (let failures = 0; ; failures += 1) {
    try {
      const session = await api.sessionRead();
      if (failures > 0) connectionShow({ name: 'live' });
      return session;
    } catch (error) {
      const seconds = Math.min(30, 2 ** (failures + 1));
      connectionShow({ name: 'retrying', seconds, error });
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}

let countdown = null;
let wasLost = false;

/** Show a poller's state: the live mark in the page's head and the banner while the connection is lost. */
export function connectionShow(state, retryNow = null) {
  const banner = byId('connection-banner');
  clearInterval(countdown);
  if (state.name === 'retrying') {
    wasLost = true;
    let left = Math.ceil(state.seconds);
    const text = byId('connection-text');
    const words = () =>
      navigator.onLine === false ? t('connection.offline') : t('connection.lost', { seconds: Math.max(0, left) });
    text.textContent = words();
    textSet(byId('connection-announce'), `${state.error.title}. ${state.error.detail ?? ''}`);
    countdown = setInterval(() => {
      left -= 1;
      text.textContent = words();
    }, 1000);
    byId('connection-retry').onclick = retryNow;
    byId('connection-retry').hidden = retryNow === null;
    banner.hidden = false;
  } else if (state.name !== 'paused') {
    banner.hidden = true;
    if (wasLost) toast({ kind: 'success', title: t('connection.restored') });
    wasLost = false;
  }
  const mark = byId('live-mark');
  if (mark) {
    mark.dataset.state = state.name;
    textSet(byId('live-text'), state.name === 'retrying' ? t('errors.connectionTitle') : t(`connection.${state.name}`));
  }
}

export { toastCarry };
