/** Models: the installed packages, what they are and where they serve; packages and ONNX files come in here. */
import { filtersOf } from '../api.js';
import { onnxForm, profileNames } from '../components/onnx-form.js';
import { packageCard } from '../components/package-card.js';
import { kindOf, uploadable, uploadCard } from '../components/package-upload.js';
import { contentShow, emptyCard, link, problemShow, registryStart } from '../components/registry-page.js';
import { toast, toastProblem } from '../components/toasts.js';
import { byId, h, textSet } from '../dom.js';
import { modelsComparePath } from '../navigation.js';
import { registry } from '../registry-api.js';
import { plural, t } from '../strings/index.js';

const typingMilliseconds = 250;
const filters = { state: '', search: '', page: '' };
const chosen = new Set();
let shown = null;
let latest = 0;

function actionsShow() {
  const [left, right] = [...chosen];
  byId('actions').replaceChildren(
    chosen.size === 2
      ? link({ words: t('models.compare'), href: modelsComparePath(left, right), look: 'primary', glyph: 'columns' })
      : h('p', { className: 'muted' }, chosen.size === 1 ? t('models.chooseOneMore') : ''),
  );
}

function choose(digest, on) {
  if (on) chosen.add(digest);
  else chosen.delete(digest);
  while (chosen.size > 2) chosen.delete(chosen.values().next().value);
  for (const card of document.querySelectorAll('.package-card')) {
    card.querySelector('.package-card__choose input').checked = chosen.has(card.dataset.digest);
  }
  actionsShow();
}

function listShow(page) {
  shown = page;
  const filtered = filters.state || filters.search;
  contentShow(
    page.results.length
      ? h(
          'ul',
          { className: 'package-list' },
          page.results.map((model) => packageCard(model, { chosen: chosen.has(model.digest), onChoose: choose })),
        )
      : emptyCard({
          title: t(filtered ? 'models.nothingTitle' : 'models.emptyTitle'),
          text: t(filtered ? 'models.nothingText' : 'models.emptyText'),
          glyph: 'box',
        }),
  );
  textSet(byId('announce'), plural('models.count', page.count ?? page.results.length));
  byId('page-previous').disabled = !page.previous;
  byId('page-next').disabled = !page.next;
  byId('pager').hidden = !page.previous && !page.next;
}

async function listRead() {
  latest += 1;
  const mine = latest;
  const { data } = await registry.packagesList(filters);
  if (mine === latest) listShow(data); // a slower answer to an older question must not replace it
}

const listRefresh = () =>
  listRead().catch((problem) => (shown ? toastProblem(problem) : problemShow(problem, { again: listRefresh })));

function uploadStart(file, form = null) {
  const card = uploadCard({ name: file.name, size: file.size, onInstalled: listRefresh });
  byId('uploads').prepend(card.node);
  return { card, done: card.send({ file, kind: kindOf(file.name), form }) };
}

async function onnxAsk(file) {
  const place = byId('onnx-form');
  const profiles = profileNames((await registry.profilesRead()).data);
  const form = onnxForm({
    file,
    profiles,
    onStop: () => place.replaceChildren(),
    onSend: async (values) => {
      const { card, done } = uploadStart(file, values);
      try {
        await done;
      } catch (problem) {
        card.node.remove(); // the refusal stands beside the fields that have to change
        throw problem;
      }
      place.replaceChildren();
    },
  });
  place.replaceChildren(form);
  form.querySelector('input').focus();
}

async function fileTake(file) {
  if (!uploadable(file.name)) {
    toast({ kind: 'danger', title: t('models.notUploadable'), sentences: [file.name, t('models.dropHint')] });
    return;
  }
  if (kindOf(file.name) === 'onnx') {
    await onnxAsk(file).catch(toastProblem);
    return;
  }
  const { card, done } = uploadStart(file);
  try {
    await done;
  } catch (problem) {
    card.refusedShow(problem);
  }
}

function dropAttach() {
  const over = (on) => {
    byId('dropzone').classList.toggle('dropzone--over', on);
    textSet(byId('dropzone-title'), t(on ? 'models.dropNow' : 'models.drop'));
  };
  let depth = 0;
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
    for (const file of event.dataTransfer.files) fileTake(file);
  });
  byId('pick').addEventListener('click', () => byId('picker').click());
  byId('picker').addEventListener('change', (event) => {
    for (const file of event.target.files) fileTake(file);
    event.target.value = '';
  });
}

function filtersApply(changes) {
  Object.assign(filters, { page: '' }, changes);
  const search = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, '', search.size ? `/models?${search}` : '/models');
  listRefresh();
}

function filtersAttach() {
  const search = new URLSearchParams(location.search);
  for (const name of Object.keys(filters)) filters[name] = search.get(name) ?? '';
  byId('search').value = filters.search;
  byId('state').value = filters.state;
  if (byId('state').selectedIndex < 0) byId('state').value = filters.state = '';
  let typing = null;
  byId('search').addEventListener('input', (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => filtersApply({ search: event.target.value.trim() }), typingMilliseconds);
  });
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  byId('state').addEventListener('change', (event) => filtersApply({ state: event.target.value }));
  for (const name of ['previous', 'next']) {
    byId(`page-${name}`).addEventListener('click', () => filtersApply({ page: filtersOf(shown?.[name]).page ?? '' }));
  }
}

filtersAttach();
dropAttach();
registryStart(listRead);
