/** One package: figures, classes, preparation, card, plots, the worker's verdict, and what can be done with it. */
import { checkHistory, checkReport } from '../components/check-report.js';
import { activateAsk } from '../components/deployment-dialogs.js';
import { formAsk, reasonField } from '../components/form-dialog.js';
import {
  answerPanel,
  cardPanel,
  filesPanel,
  metricsTable,
  plotsPanel,
  preprocessingList,
  provenancePanel,
  usePanel,
} from '../components/package-details.js';
import { classList, metricTiles, packageName, placeBadges, validationBadge } from '../components/package-parts.js';
import { newestCheck } from '../components/package-upload.js';
import { button, contentShow, headShow, link, panel, problemShow, registryStart } from '../components/registry-page.js';
import { toast, toastProblem } from '../components/toasts.js';
import { byId, h } from '../dom.js';
import { bytes } from '../format.js';
import { digestFrom, modelsComparePath } from '../navigation.js';
import { pollingCreate } from '../polling.js';
import { registry, registryUrl } from '../registry-api.js';
import { makersLang } from '../server-words.js';
import { plural, t } from '../strings/index.js';

const followSeconds = 1;
const digest = digestFrom(location.pathname);
const report = h('div', {});
let shownCheck = null;
let session = null;

const under = (check) => check?.state === 'QUEUED' || check?.state === 'RUNNING';

async function checkOpen(id) {
  shownCheck = id;
  try {
    const { data } = await registry.checkRead(id);
    if (shownCheck === id) report.replaceChildren(checkReport(data));
  } catch (problem) {
    toastProblem(problem);
  }
}

const checkPoll = pollingCreate({
  fetcher: (options) => registry.checkRead(shownCheck, options),
  onData: (check) => {
    report.replaceChildren(checkReport(check));
    if (!under(check)) modelRead().catch(toastProblem);
  },
  onFatal: toastProblem,
  delaySeconds: (check) => (under(check) ? followSeconds : null),
});

async function validate() {
  try {
    const { data } = await registry.packageValidate(digest);
    toast({ kind: 'success', title: t('models.validationAsked') });
    shownCheck = data.id;
    checkPoll.start();
    checkPoll.reset();
  } catch (problem) {
    toastProblem(problem);
  }
}

async function archiveAsk(model) {
  const archived = Boolean(model.archived_at);
  const send = archived ? registry.packageUnarchive : registry.packageArchive;
  const answer = await formAsk({
    title: t(archived ? 'models.unarchiveTitle' : 'models.archiveTitle', { name: packageName(model) }),
    text: t(archived ? 'models.unarchiveText' : 'models.archiveText'),
    fields: [reasonField()],
    confirm: t(archived ? 'models.unarchive' : 'models.archive'),
    send: ({ reason }) => send(digest, reason),
  });
  if (answer) await modelRead();
}

async function compareAsk(model) {
  const { data } = await registry.packagesList({});
  const others = data.results.filter((other) => other.digest !== digest);
  if (!others.length) {
    toast({ kind: 'info', title: t('models.compareNone') });
    return;
  }
  const answer = await formAsk({
    title: t('models.compareTitle', { name: packageName(model) }),
    fields: [
      {
        name: 'other',
        type: 'select',
        label: t('models.compareWith'),
        required: true,
        options: others.map((other) => ({ value: other.digest, label: `${packageName(other)} — ${other.title}` })),
      },
    ],
    confirm: t('models.compare'),
    send: async ({ other }) => ({ other }),
  });
  if (answer) location.assign(modelsComparePath(digest, answer.other));
}

async function deployAsk(model) {
  const outcome = await activateAsk({ session, chosen: model });
  if (outcome) await modelRead();
}

function actions(model) {
  const guarded = (act) => () => act(model).catch(toastProblem);
  return [
    !model.archived_at &&
      button({
        words: t('models.deploy'),
        look: 'primary',
        glyph: 'upload',
        onClick: guarded(deployAsk),
        disabled: model.validation_state !== 'PASSED',
      }),
    button({
      words: t(model.checks.length ? 'models.validate' : 'models.validateFirst'),
      glyph: 'shield',
      onClick: validate,
      disabled: ['QUEUED', 'RUNNING'].includes(model.validation_state),
    }),
    button({ words: t('models.compareWithShort'), glyph: 'columns', onClick: guarded(compareAsk) }),
    link({ words: t('models.download'), href: registryUrl.download(digest), glyph: 'download', download: '' }),
    button({
      words: t(model.archived_at ? 'models.unarchive' : 'models.archive'),
      glyph: 'archive',
      onClick: guarded(archiveAsk),
    }),
  ];
}

function modelShow(model) {
  const newest = newestCheck(model.checks);
  headShow({
    title: model.title || model.name,
    lead: [
      packageName(model),
      bytes(model.size_bytes),
      t(`models.tasks.${model.task}`),
      plural('models.jobs', model.jobs ?? 0),
    ].join(' · '),
    badge: validationBadge(model.validation_state),
    actions: actions(model),
  });
  if (makersLang) byId('title').lang = makersLang;
  const places = placeBadges(model);
  contentShow(
    places.length > 0 && h('div', { className: 'badges badges--page' }, places),
    model.metrics.length > 0 && metricTiles(model.metrics),
    h(
      'div',
      { className: 'two-columns' },
      h(
        'div',
        { className: 'stack' },
        panel(
          { title: t('models.report') },
          newest
            ? [
                report,
                h('h3', { className: 'panel__subtitle' }, t('models.checks')),
                checkHistory(model.checks, { onOpen: ({ id }) => checkOpen(id) }),
              ]
            : h('p', { className: 'muted' }, t('models.neverValidated')),
        ),
        panel({ title: t('models.metrics') }, metricsTable(model.metrics)),
        plotsPanel(model),
        cardPanel(model),
      ),
      h(
        'div',
        { className: 'stack' },
        panel(
          { title: t('models.classes') },
          h('p', { className: 'summary__hint' }, t('models.classesHint')),
          classList(model.classes),
        ),
        answerPanel(model.manifest),
        panel(
          { title: t('models.preprocessing'), aside: model.manifest.preprocessing?.name },
          model.manifest.preprocessing && preprocessingList(model.manifest.preprocessing),
        ),
        usePanel(model.manifest),
        provenancePanel(model),
      ),
    ),
    filesPanel(model),
  );
  if (!newest) return;
  if (under(newest)) {
    shownCheck = newest.id;
    checkPoll.start();
  } else checkOpen(newest.id);
}

async function modelRead() {
  try {
    modelShow((await registry.packageRead(digest)).data);
  } catch (problem) {
    headShow({ title: t('pages.model'), lead: '' });
    problemShow(problem, { again: modelRead });
    if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
  }
}

registryStart((found) => {
  session = found;
  return modelRead();
});
