/** Upload page: choose, look, state side and view, send with progress. What can be known before sending is said before. */
import { api } from '../api.js';
import { chromeStart } from '../components/chrome.js';
import { fileCardCreate } from '../components/file-card.js';
import { icon } from '../components/icons.js';
import { toast, toastCarry } from '../components/toasts.js';
import { byId, h, textSet } from '../dom.js';
import { bytes } from '../format.js';
import { jobPath } from '../navigation.js';
import { plural, t } from '../strings/index.js';
import { problemsCount, studyProblems } from '../upload-checks.js';
import { entryCreate, entryRead, formMake } from '../upload-entry.js';

const externalIdPattern = /^[A-Za-z0-9][A-Za-z0-9._:/#+-]{0,127}$/; // the server's rule: nothing a name could hide in
const entries = [];
const cards = new Map();
let limits = {};
let transfer = null;

function reviewShow() {
  const found = studyProblems(
    entries.filter(({ state }) => state === 'ready'),
    limits,
  );
  for (const entry of entries) {
    const own = found.byKey.get(entry.key) ?? [];
    const fromServer = entry.serverProblem ? [{ level: 'error', text: entry.serverProblem }] : [];
    cards.get(entry.key).problemsUpdate([...fromServer, ...own]);
  }
  const { errors, warnings } = problemsCount(found);
  const stopping = errors > 0 || found.study.some(({ level }) => level === 'error');
  const reading = entries.some(({ state }) => state === 'reading');
  const lines = found.study.map(({ level, text }) => ({ level, text }));
  if (errors) lines.push({ level: 'error', text: plural('upload.fixFirst', errors) });
  if (warnings) lines.push({ level: 'warning', text: plural('upload.warnings', warnings) });
  if (!lines.length && entries.length) lines.push({ level: 'ready', text: plural('upload.ready', entries.length) });
  const icons = { error: 'xCircle', warning: 'warning', ready: 'check' };
  const state = byId('upload-state');
  if (state.textContent !== lines.map(({ text }) => text).join('')) {
    state.replaceChildren(
      ...lines.map(({ level, text }) => h('p', { className: `problem problem--${level}` }, icon(icons[level]), text)),
    );
  }
  byId('submit').disabled = Boolean(transfer) || reading || stopping || entries.length === 0;
  byId('remove-all').hidden = entries.length === 0;
  byId('no-files').hidden = entries.length > 0;
  textSet(byId('files-count'), entries.length ? `· ${plural('upload.count', entries.length)}` : '');
}

function problemHide() {
  byId('upload-problem').hidden = true;
}

function entryRemove(entry) {
  if (transfer) return;
  const index = entries.indexOf(entry);
  entries.splice(index, 1);
  cards.get(entry.key).node.remove();
  cards.delete(entry.key);
  problemHide();
  reviewShow();
  const neighbour = entries[Math.min(index, entries.length - 1)];
  const target = neighbour ? cards.get(neighbour.key).node.querySelector('.btn-ghost') : byId('pick');
  target.focus();
}

async function filesAdd(files) {
  if (transfer) return;
  problemHide();
  const added = [...files].map(entryCreate);
  for (const entry of added) {
    const card = fileCardCreate(entry, { onChange: reviewShow, onRemove: entryRemove });
    cards.set(entry.key, card);
    entries.push(entry);
    byId('file-list').append(card.node);
  }
  reviewShow();
  for (const entry of added) {
    await entryRead(entry, { maximumBytes: limits.max_file_bytes });
    if (!cards.has(entry.key)) continue; // removed while it was read
    await cards.get(entry.key).contentUpdate();
    reviewShow();
  }
}

function dropAttach() {
  const zone = byId('dropzone');
  const over = (on) => {
    zone.classList.toggle('dropzone--over', on);
    textSet(byId('dropzone-title'), t(on ? 'upload.dropNow' : 'upload.drop'));
  };
  let depth = 0;
  // The whole page takes the drop: a file let go beside the frame must not replace the page.
  document.addEventListener('dragenter', (event) => {
    event.preventDefault();
    depth += 1;
    over(true);
  });
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) over(false);
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    over(false);
    filesAdd(event.dataTransfer.files);
  });
  byId('pick').addEventListener('click', () => byId('picker').click());
  byId('picker').addEventListener('change', (event) => {
    filesAdd(event.target.files);
    event.target.value = '';
  });
}

/** A refusal of the whole request, beside the button; of one file (its number in the problem), at that file too. */
function problemShow(problem) {
  for (const { fileIndex, message } of problem.errors ?? []) {
    const entry = entries[fileIndex];
    if (entry) entry.serverProblem = `${problem.title} — ${message}`;
  }
  const place = byId('upload-problem');
  place.replaceChildren(
    h('p', { className: 'upload__problem-title' }, icon('xCircle'), problem.title),
    ...problem.sentences.map((sentence) => h('p', {}, sentence)),
    h('p', { className: 'upload__problem-code' }, h('code', {}, problem.code)),
  );
  place.hidden = false;
  place.focus();
  // the whole reason stands beside the form; the toast says only that there is one
  toast({ kind: 'danger', title: problem.title, sentences: [problem.detail].filter(Boolean), code: problem.code });
}

function busySet(busy) {
  for (const control of byId('upload-form').querySelectorAll('select, input, .btn-ghost, #pick, #remove-all')) {
    control.disabled = busy;
  }
  byId('stop').hidden = !busy;
  byId('upload-progress').hidden = !busy;
  textSet(byId('submit'), t(busy ? 'upload.submitting' : 'upload.submit'));
}

function progressCreate() {
  const began = performance.now();
  return ({ sentBytes, totalBytes }) => {
    byId('progress-bar').value = sentBytes / totalBytes;
    const seconds = Math.max(0.001, (performance.now() - began) / 1000);
    const values = { done: bytes(sentBytes), total: bytes(totalBytes), rate: bytes(sentBytes / seconds) };
    const words = sentBytes < totalBytes ? t('upload.sent', values) : t('upload.processing');
    textSet(byId('progress-text'), words);
  };
}

function externalIdCheck() {
  const field = byId('external-id');
  const value = field.value.trim();
  const good = !value || externalIdPattern.test(value);
  field.classList.toggle('is-invalid', !good);
  field.setAttribute('aria-invalid', String(!good));
  textSet(byId('external-id-hint'), t(good ? 'upload.externalIdHint' : 'upload.externalIdInvalid'));
  if (!good) field.focus();
  return good;
}

async function send(event) {
  event.preventDefault();
  if (byId('submit').disabled || entries.length === 0) return;
  problemHide();
  if (!externalIdCheck()) return;
  for (const entry of entries) entry.serverProblem = null;
  const form = formMake(entries, {
    externalId: byId('external-id').value.trim(),
    priority: byId('upload-form').elements.priority.value,
    deployment: byId('deployment').value,
  });
  busySet(true);
  transfer = api.studySubmit(form, { onProgress: progressCreate() });
  reviewShow();
  try {
    const { data } = await transfer.promise;
    toastCarry({ kind: 'success', title: t('upload.accepted'), sentences: [] });
    window.removeEventListener('beforeunload', leavingWarn);
    location.assign(jobPath(data.job.id));
    return;
  } catch (error) {
    transfer = null;
    busySet(false);
    if (error.name === 'AbortError') toast({ kind: 'info', title: t('upload.stopped') });
    else problemShow(error);
  }
  reviewShow();
}

function leavingWarn(event) {
  if (transfer) event.preventDefault();
}

async function deploymentsShow() {
  try {
    const { data } = await api.deploymentsList();
    byId('deployment').append(
      ...data.results.map(({ name, package: model }) =>
        h('option', { value: name }, model ? `${name} — ${model.title ?? model.name} ${model.version}` : name),
      ),
    );
  } catch (problem) {
    toast({ kind: 'danger', title: t('upload.deploymentFailed'), sentences: problem.sentences ?? [] });
  }
}

async function start() {
  dropAttach();
  reviewShow();
  byId('upload-form').addEventListener('submit', send);
  byId('stop').addEventListener('click', () => transfer?.abort());
  byId('remove-all').addEventListener('click', () => {
    for (const entry of [...entries]) entryRemove(entry);
  });
  window.addEventListener('beforeunload', leavingWarn);
  const session = await chromeStart();
  limits = session.limits ?? {};
  if (limits.max_files && limits.max_file_bytes) {
    textSet(byId('limits'), t('upload.limits', { files: limits.max_files, size: bytes(limits.max_file_bytes) }));
  }
  reviewShow();
  deploymentsShow();
}

start();
