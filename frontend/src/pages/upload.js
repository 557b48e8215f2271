/**
 * Upload page: choose files or folders, look, state side and view, send with progress, pause and resume.
 *
 * What can be known before sending is said before. Each study goes by itself: it is submitted as soon as its files have arrived.
 */
import { api } from '../api.js';
import { chromeStart } from '../components/chrome.js';
import { fileCardCreate } from '../components/file-card.js';
import { problemLine, studyGroupCreate } from '../components/study-group.js';
import { toast, toastCarry } from '../components/toasts.js';
import { byId, h, textSet } from '../dom.js';
import { bytes } from '../format.js';
import { jobPath } from '../navigation.js';
import { plural, t } from '../strings/index.js';
import { problemsCount, studyProblems } from '../upload/checks.js';
import { entryCreate, entryRead, submissionMake } from '../upload/entry.js';
import { filesOfDrop, filesOfPicker } from '../upload/folder-drop.js';
import { studiesOf } from '../upload/grouping.js';
import { unsavedWhen } from '../unsaved.js';
import { transfersCreate } from '../upload/transfers.js';

const entries = [];
const cards = new Map();
const groups = new Map(); // key of a study → its group, as long as it has files
const accepted = new Map(); // key of a study → its job
const transfers = transfersCreate();
let limits = {};
let sending = null; // { began, total } while files are on their way

unsavedWhen(() => open().length > 0);
const open = () => studiesOf(entries).filter(({ key }) => !accepted.has(key));

/** Makes the group of a study that has none; what it is called may change, so its key is looked up when it is needed. */
function groupMake() {
  const group = studyGroupCreate({
    onRetry: () => studySend([...groups].find(([, other]) => other === group)[0]),
  });
  return group;
}

/** Groups follow the entries: a header that was read may move files into another study, and what was typed goes along. */
function groupsShow() {
  const studies = studiesOf(entries);
  for (const [key, group] of [...groups]) {
    if (studies.some((study) => study.key === key)) continue;
    groups.delete(key);
    accepted.delete(key);
    const first = group.list.querySelector('[data-key]')?.dataset.key;
    const heir = studies.find(({ entries: own }) => own.some((entry) => entry.key === first));
    if (heir && !groups.has(heir.key)) groups.set(heir.key, group);
    else group.node.remove();
  }
  studies.forEach(({ key, entries: own }, index) => {
    if (!groups.has(key)) groups.set(key, groupMake());
    const group = groups.get(key);
    group.headShow({ number: index + 1, of: studies.length, images: own.length });
    if (byId('studies').children[index] !== group.node) {
      byId('studies').insertBefore(group.node, byId('studies').children[index] ?? null);
    }
    for (const { key: entryKey } of own) {
      const { node } = cards.get(entryKey);
      if (node.parentNode !== group.list) group.list.append(node);
    }
  });
}

function reviewShow() {
  groupsShow();
  const studies = open();
  const totals = { errors: 0, warnings: 0, study: 0 };
  for (const { key, entries: own } of studies) {
    const found = studyProblems(
      own.filter(({ state }) => state === 'ready'),
      limits,
    );
    for (const entry of own) {
      const fromServer = entry.serverProblem ? [{ level: 'error', text: entry.serverProblem }] : [];
      cards.get(entry.key).problemsUpdate([...fromServer, ...(found.byKey.get(entry.key) ?? [])]);
    }
    groups.get(key).problemsShow(found.study);
    const counts = problemsCount(found);
    totals.errors += counts.errors;
    totals.warnings += counts.warnings;
    totals.study += found.study.filter(({ level }) => level === 'error').length;
  }
  stateShow(studies, totals);
}

function stateShow(studies, { errors, warnings, study }) {
  const read = entries.filter(({ state }) => state !== 'reading').length;
  const reading = read < entries.length;
  const images = studies.flatMap(({ entries: own }) => own).length;
  const lines = [];
  if (reading) lines.push({ level: 'ready', text: t('upload.readingMany', { n: read, of: entries.length }) });
  if (errors) lines.push({ level: 'error', text: plural('upload.fixFirst', errors) });
  if (warnings) lines.push({ level: 'warning', text: plural('upload.warnings', warnings) });
  if (!lines.length && images) lines.push({ level: 'ready', text: plural('upload.ready', images) });
  const place = byId('upload-state');
  if (place.textContent !== lines.map(({ text }) => text).join('')) place.replaceChildren(...lines.map(problemLine));
  byId('submit').disabled = Boolean(sending) || reading || errors > 0 || study > 0 || images === 0;
  textSet(byId('submit'), sending ? t('upload.submitting') : plural('upload.submit', Math.max(1, studies.length)));
  byId('remove-all').hidden = entries.length === 0;
  byId('no-files').hidden = entries.length > 0;
  const counts = [plural('upload.studiesCount', studies.length), plural('upload.count', images)];
  textSet(byId('files-count'), images ? `· ${counts.join(', ')}` : '');
}

function entryRemove(entry) {
  if (sending) return;
  const index = entries.indexOf(entry);
  entries.splice(index, 1);
  cards.get(entry.key).node.remove();
  cards.delete(entry.key);
  reviewShow();
  const neighbour = entries[Math.min(index, entries.length - 1)];
  const target = neighbour ? cards.get(neighbour.key).node.querySelector('.btn-ghost') : byId('pick');
  target.focus();
}

async function filesAdd(found) {
  if (sending) return;
  byId('upload-done').hidden = true;
  const added = found.map(({ file, folder }) => entryCreate(file, folder));
  for (const entry of added) {
    cards.set(entry.key, fileCardCreate(entry, { onChange: reviewShow, onRemove: entryRemove }));
    entries.push(entry);
  }
  reviewShow();
  for (const entry of added) {
    if (!cards.has(entry.key)) continue;
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
  document.addEventListener('drop', async (event) => {
    event.preventDefault();
    depth = 0;
    over(false);
    try {
      await filesAdd(await filesOfDrop(event.dataTransfer));
    } catch {
      // a folder's reader rejects with a DOMException that says only that it could not be read
      toast({ kind: 'danger', title: t('upload.foldersUnreadable') });
    }
  });
  for (const [button, picker] of [
    ['pick', 'picker'],
    ['pick-folder', 'folder-picker'],
  ]) {
    byId(button).addEventListener('click', () => byId(picker).click());
    byId(picker).addEventListener('change', (event) => {
      filesAdd(filesOfPicker(event.target.files));
      event.target.value = '';
    });
  }
}

function progressShow() {
  if (!sending) return;
  const done = entries.reduce((sum, { transfer }) => sum + (transfer?.sent ?? 0), 0);
  byId('progress-bar').value = sending.total ? done / sending.total : 1;
  const seconds = Math.max(0.001, (performance.now() - sending.began) / 1000);
  const values = { done: bytes(done), total: bytes(sending.total), rate: bytes(done / seconds) };
  textSet(byId('progress-text'), t(transfers.paused ? 'upload.paused' : 'upload.sent', values));
}

function busySet() {
  const busy = Boolean(sending);
  for (const control of byId('upload-form').querySelectorAll(
    'select, input, .btn-ghost, #pick, #pick-folder, #remove-all',
  )) {
    control.disabled = busy;
  }
  for (const id of ['stop', 'pause', 'upload-progress']) byId(id).hidden = !busy;
  textSet(byId('pause'), t('upload.pause'));
}

/** Resolves to the upload's id; an upload that has arrived already is not sent twice. */
function entrySend(entry) {
  const show = (state, sent) => {
    entry.transfer = { ...entry.transfer, state, sent };
    cards.get(entry.key)?.progressUpdate(entry.transfer);
    progressShow();
  };
  if (entry.transfer?.id) return Promise.resolve(entry.transfer.id);
  show('waiting', entry.transfer?.sent ?? 0);
  return new Promise((resolve, reject) => {
    transfers.add({
      file: entry.file,
      fingerprint: entry.fingerprint,
      onProgress: (sent) => show('sending', sent),
      onDone: (id) => {
        show('arrived', entry.sizeBytes);
        entry.transfer.id = id;
        resolve(id);
      },
      onFailed: (problem) => {
        show('failed', entry.transfer.sent);
        reject(problem);
      },
    });
  });
}

function refusedShow(group, own, problem) {
  for (const { fileIndex, message } of problem.errors ?? []) {
    if (own[fileIndex]) own[fileIndex].serverProblem = `${problem.title} — ${message}`;
  }
  group.stateShow('refused', { problem });
}

/** One study: its files, then itself. Returns true when it was accepted. */
async function studySend(key) {
  const own = studiesOf(entries).find((study) => study.key === key)?.entries ?? [];
  const group = groups.get(key);
  for (const entry of own) entry.serverProblem = null;
  group.key ??= crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const alone = !sending;
  if (alone) sendingBegin(own);
  group.stateShow('sending');
  try {
    const uploads = await Promise.all(own.map(entrySend));
    group.stateShow('checking');
    const { data } = await api.studySubmit(
      submissionMake(own, {
        uploads,
        externalId: group.externalId,
        priority: byId('upload-form').elements.priority.value,
        deployment: byId('deployment').value,
      }),
      { key: group.key },
    );
    accepted.set(key, data.job.id);
    group.stateShow('accepted', { jobId: data.job.id });
    return true;
  } catch (problem) {
    group.key = null; // mended and sent again, it is another request
    // A refused study keeps its uploads at the server; only those that it no longer knows are sent again.
    if (problem.code === 'input:unknown_upload') for (const entry of own) entry.transfer = null;
    refusedShow(group, own, problem);
    return false;
  } finally {
    if (alone) sendingEnd();
  }
}

function sendingBegin(own) {
  sending = { began: performance.now(), total: own.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  busySet();
  reviewShow();
}

function sendingEnd() {
  sending = null;
  busySet();
  for (const [key, group] of groups) group.busySet(accepted.has(key));
  reviewShow();
}

async function send(event) {
  event.preventDefault();
  const studies = open();
  if (byId('submit').disabled || !studies.length) return;
  if (!studies.every(({ key }) => groups.get(key).externalIdGood())) return;
  sendingBegin(studies.flatMap(({ entries: own }) => own));
  const good = await Promise.all(studies.map(({ key }) => studySend(key)));
  if (!sending) return; // stopped
  sendingEnd();
  const refused = good.filter((one) => !one).length;
  if (!refused && accepted.size === 1) {
    toastCarry({ kind: 'success', title: t('upload.accepted'), sentences: [] });
    location.assign(jobPath([...accepted.values()][0]));
    return;
  }
  doneShow(refused);
}

function doneShow(refused) {
  const words = refused ? plural('upload.someRefused', refused) : plural('upload.allAccepted', accepted.size);
  const place = byId('upload-done');
  place.replaceChildren(
    problemLine({ level: refused ? 'error' : 'ready', text: words }),
    accepted.size ? h('a', { className: 'btn btn-outline-primary', href: '/' }, t('upload.openWorklist')) : '',
  );
  place.hidden = false;
  place.focus();
}

async function stop() {
  await transfers.stop();
  for (const entry of entries) {
    if (entry.transfer && !entry.transfer.id) entry.transfer = null;
    cards.get(entry.key)?.progressUpdate(entry.transfer ?? null);
  }
  for (const [key, group] of groups) if (!accepted.has(key)) group.stateShow('idle');
  sendingEnd();
  toast({ kind: 'info', title: t('upload.stopped') });
}

async function pauseToggle() {
  if (transfers.paused) transfers.resume();
  else await transfers.pause();
  textSet(byId('pause'), t(transfers.paused ? 'upload.resume' : 'upload.pause'));
  progressShow();
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
  byId('stop').addEventListener('click', stop);
  byId('pause').addEventListener('click', pauseToggle);
  byId('remove-all').addEventListener('click', () => {
    for (const entry of [...entries]) entryRemove(entry);
  });
  window.addEventListener('beforeunload', (event) => sending && event.preventDefault());
  const session = await chromeStart();
  limits = session.limits ?? {};
  if (limits.max_files && limits.max_file_bytes) {
    textSet(byId('limits'), t('upload.limits', { files: limits.max_files, size: bytes(limits.max_file_bytes) }));
  }
  reviewShow();
  deploymentsShow();
}

start();
