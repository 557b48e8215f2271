/** Login page: shows the server's reason when refused, and goes on to the page that was wanted. */
import { api } from '../api.js';
import { crashReporterAttach } from '../components/chrome.js';
import { byId, h, textSet } from '../dom.js';
import { languagePickerAttach } from '../language.js';
import { nextPath } from '../navigation.js';
import { t } from '../strings/index.js';
import { themeSwitchAttach } from '../theme.js';

const form = byId('login-form');
const error = byId('login-error');
const submit = byId('login-submit');

function errorShow(title, sentences = []) {
  error.replaceChildren(
    h('strong', {}, title),
    ...sentences.map((sentence) => h('p', { className: 'mb-0' }, sentence)),
  );
  error.hidden = false;
}

function busySet(busy) {
  submit.disabled = busy;
  submit.textContent = t(busy ? 'login.working' : 'login.submit');
}

async function signIn(event) {
  event.preventDefault();
  const username = form.username.value.trim();
  const password = form.password.value;
  error.hidden = true;
  for (const field of [form.username, form.password]) field.classList.toggle('is-invalid', field.value.trim() === '');
  if (!username || !password) {
    errorShow(t('login.missing'));
    (username ? form.password : form.username).focus();
    return;
  }
  busySet(true);
  try {
    await api.sessionOpen({ username, password });
    location.assign(nextPath(location.search));
  } catch (problem) {
    busySet(false);
    errorShow(problem.title, problem.sentences);
    form.password.select();
  }
}

function passwordShowAttach() {
  const button = byId('password-show');
  button.addEventListener('click', () => {
    const show = form.password.type === 'password';
    form.password.type = show ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(show));
    button.setAttribute('aria-label', t(show ? 'login.hidePassword' : 'login.showPassword'));
  });
}

async function start() {
  crashReporterAttach();
  themeSwitchAttach(byId('theme-switch'));
  languagePickerAttach();
  passwordShowAttach();
  form.addEventListener('submit', signIn);
  submit.disabled = false; // until now the browser itself would have sent the form, to a page that takes none
  if (new URLSearchParams(location.search).has('expired')) {
    byId('login-note').textContent = t('errors.sessionExpired');
    byId('login-note').hidden = false;
  }
  form.username.focus();
  try {
    const session = await api.sessionRead();
    for (const node of document.querySelectorAll('[data-version]')) {
      textSet(node, session.version ? t('nav.version', { version: session.version }) : '');
    }
    if (session.authenticated) location.replace(nextPath(location.search));
  } catch (problem) {
    errorShow(problem.title, problem.sentences);
  }
}

start();
