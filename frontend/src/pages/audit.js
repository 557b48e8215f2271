/** Audit: who changed what and when, with filters and the whole as a file. */
import { filtersOf } from '../api.js';
import { auditDetail, auditSubject } from '../components/audit-detail.js';
import { badge } from '../components/package-parts.js';
import {
  button,
  contentShow,
  dataTable,
  emptyCard,
  headShow,
  link,
  registryStart,
} from '../components/registry-page.js';
import { toastProblem } from '../components/toasts.js';
import { h } from '../dom.js';
import { dateTime } from '../format.js';
import { registry, registryUrl } from '../registry-api.js';
import { t, tOr } from '../strings/index.js';

const actions = [
  'package.upload',
  'package.install',
  'package.validate',
  'package.archive',
  'package.unarchive',
  'deployment.activate',
  'deployment.rollback',
  'deployment.candidate_start',
  'deployment.candidate_stop',
  'deployment.rules',
  'request.create',
  'request.approve',
  'request.reject',
  'request.withdraw',
  'request.failed',
  'job.rerun',
  'job.replay',
  'alert.acknowledge',
  'user.create',
  'user.change',
  'user.reset_password',
  'user.change_password',
  'token.create',
  'token.revoke',
  'site.create',
  'site.change',
  'webhook.create',
  'webhook.update',
  'webhook.rotate',
  'webhook.test',
  'webhook.delete',
  'webhook.disable',
  'webhook.replay',
];
const search = new URLSearchParams(location.search);
const filters = Object.fromEntries(['action', 'actor', 'since'].map((name) => [name, search.get(name) ?? '']));
const place = h('div', { 'aria-live': 'polite' });

const actionWords = (action) => tOr(`audit.actions.${action.replace('.', '_')}`, action);

function show(page) {
  const turn = (name) =>
    page[name] &&
    button({
      words: t(`worklist.${name}`),
      onClick: () => read({ ...filters, ...filtersOf(page[name]) }).catch(toastProblem),
    });
  place.replaceChildren(
    page.results.length
      ? h(
          'div',
          { className: 'card audit' },
          dataTable({
            caption: t('audit.heading'),
            cards: false, // its entries are blocks of their own on a phone
            columns: [t('audit.when'), t('audit.who'), t('audit.what'), t('audit.subject'), t('audit.detail')],
            rows: page.results.map((entry) => {
              const { at } = entry;
              return [
                h('time', { datetime: at, title: at }, dateTime(at)),
                entry.actor ?? h('em', {}, t('registry.platform')),
                badge('quiet', null, actionWords(entry.action)),
                auditSubject(entry),
                auditDetail(entry.detail, entry.detail_names),
              ];
            }),
          }),
        )
      : emptyCard({
          title: t('audit.emptyTitle'),
          text: t('audit.emptyText'),
          action: link({ words: t('leads.clear'), href: '/audit' }),
        }),
    h(
      'nav',
      { className: 'pager', 'aria-label': t('audit.pages') },
      ...[turn('previous'), turn('next')].filter(Boolean),
    ),
  );
}

async function read(wanted = filters) {
  show((await registry.auditList(wanted)).data);
}

function apply(changes) {
  Object.assign(filters, changes);
  const kept = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, '', kept.size ? `/audit?${kept}` : '/audit');
  actionsShow();
  read().catch(toastProblem);
}

function actionsShow() {
  headShow({
    actions: [link({ words: t('audit.export'), href: registryUrl.audit(filters), glyph: 'download', download: '' })],
  });
}

function controls() {
  const select = h(
    'select',
    { className: 'form-select', id: 'audit-action', onChange: (event) => apply({ action: event.target.value }) },
    h('option', { value: '' }, t('audit.anyAction')),
    actions.map((action) => h('option', { value: action }, actionWords(action))),
  );
  select.value = filters.action;
  const since = h('input', {
    className: 'form-control',
    type: 'date',
    id: 'audit-since',
    value: filters.since.slice(0, 10),
    onChange: (event) => apply({ since: event.target.value ? `${event.target.value}T00:00:00Z` : '' }),
  });
  const actor = h('input', {
    className: 'form-control',
    id: 'audit-actor',
    value: filters.actor,
    placeholder: t('audit.actorHint'),
    autocomplete: 'off',
    spellcheck: 'false',
    onChange: (event) => apply({ actor: event.target.value.trim() }),
  });
  const labelled = (id, words, control) =>
    h('div', {}, h('label', { className: 'form-label', for: id }, words), control);
  return h(
    'form',
    { className: 'filters', role: 'search', onSubmit: (event) => event.preventDefault() },
    labelled('audit-action', t('audit.what'), select),
    labelled('audit-actor', t('audit.who'), actor),
    labelled('audit-since', t('audit.since'), since),
  );
}

registryStart(async () => {
  actionsShow();
  const { data } = await registry.auditList(filters);
  contentShow(controls(), place);
  show(data);
});
