/** Sites: hospitals, their weight in the queue and their limits. For platform administrators. */
import { admin } from '../admin-api.js';
import { adminListCreate } from '../components/admin-list.js';
import { confirmAsk } from '../components/confirm-dialog.js';
import { formAsk } from '../components/form-dialog.js';
import { badge } from '../components/package-parts.js';
import { button, contentShow, headShow, registryStart } from '../components/registry-page.js';
import { h } from '../dom.js';
import { bytes, count } from '../format.js';
import { t } from '../strings/index.js';

const gigabyte = 1e9;
const counted = [
  'max_queued_jobs',
  'max_studies_per_day',
  'max_submissions_per_minute',
  'max_submissions_per_minute_of_token',
];
let session = null;

/** A limit in words: null is the platform's default, 0 is none. */
function limitWords(value, format = count) {
  if (value === null) return h('span', { className: 'muted' }, t('sites.default'));
  return value === 0 ? t('sites.unlimited') : format(value);
}

/** A field's text as the API takes it: empty is the platform's default. */
const limitRead = (text, unit = 1) => (text.trim() === '' ? null : Math.round(Number(text) * unit));

const add = () =>
  sites.attempt(
    () =>
      formAsk({
        title: t('sites.addTitle'),
        fields: [
          { name: 'name', label: t('sites.name'), required: true, maxlength: 200 },
          {
            name: 'slug',
            label: t('sites.slug'),
            hint: t('sites.slugHint'),
            required: true,
            maxlength: 50,
            pattern: '[\\-a-zA-Z0-9_]+',
          },
        ],
        confirm: t('sites.add'),
        send: async (values) => (await admin.siteAdd(values)).data,
      }),
    t('sites.added'),
  );

const change = (site) =>
  sites.attempt(
    () =>
      formAsk({
        title: t('sites.changeTitle', { name: site.name }),
        text: t('sites.changeText'),
        wide: true,
        columns: true,
        fields: [
          { name: 'name', label: t('sites.name'), value: site.name, required: true, maxlength: 200 },
          {
            name: 'share_weight',
            type: 'number',
            label: t('sites.columns.weight'),
            hint: t('sites.weightHint'),
            value: String(site.share_weight),
            min: '1',
            max: '100',
            step: '1',
            required: true,
          },
          ...counted.map((name) => ({
            name,
            type: 'number',
            label: t(`sites.limits.${name}`),
            value: site[name] === null ? '' : String(site[name]),
            min: '0',
            step: '1',
          })),
          {
            name: 'storage',
            type: 'number',
            label: t('sites.limits.max_storage_gigabytes'),
            value: site.max_storage_bytes === null ? '' : String(site.max_storage_bytes / gigabyte),
            min: '0',
            step: 'any',
          },
        ],
        confirm: t('sites.save'),
        send: async (values) =>
          (
            await admin.siteChange(site.slug, {
              name: values.name,
              share_weight: Number(values.share_weight),
              max_storage_bytes: limitRead(values.storage, gigabyte),
              ...Object.fromEntries(counted.map((name) => [name, limitRead(values[name])])),
            })
          ).data,
      }),
    t('sites.saved'),
  );

const openChange = (site) =>
  sites.attempt(
    async () => {
      const sure =
        !site.is_active ||
        (await confirmAsk({
          title: t('sites.closeTitle', { name: site.name }),
          text: t('sites.closeText'),
          confirm: t('sites.close'),
          tone: 'danger',
        }));
      return sure && admin.siteChange(site.slug, { is_active: !site.is_active });
    },
    t(site.is_active ? 'sites.wasClosed' : 'sites.wasOpened'),
  );

function buttons(site) {
  const { name } = site;
  return h(
    'div',
    { className: 'buttons buttons--end' },
    button({
      words: t('sites.change'),
      small: true,
      'aria-label': t('sites.changeTitle', { name }),
      onClick: () => change(site),
    }),
    site.slug !== session.site.slug &&
      button({
        words: t(site.is_active ? 'sites.close' : 'sites.reopen'),
        small: true,
        look: site.is_active ? 'outline-danger' : 'outline-secondary',
        'aria-label': t(site.is_active ? 'sites.closeOf' : 'sites.reopenOf', { name }),
        onClick: () => openChange(site),
      }),
  );
}

const sites = adminListCreate({
  caption: t('sites.heading'),
  columns: () =>
    ['name', 'state', 'weight', 'queued', 'perDay', 'storage', 'perMinute', 'do'].map((name) =>
      t(`sites.columns.${name}`),
    ),
  list: (filters) => admin.sitesList(filters),
  row: (site) => [
    [h('strong', {}, site.name), h('code', { className: 'd-block' }, site.slug)],
    site.is_active ? badge('good', 'check', t('sites.open')) : badge('quiet', 'slash', t('sites.closed')),
    String(site.share_weight),
    limitWords(site.max_queued_jobs),
    limitWords(site.max_studies_per_day),
    limitWords(site.max_storage_bytes, bytes),
    [
      limitWords(site.max_submissions_per_minute),
      site.max_submissions_per_minute_of_token !== null &&
        h(
          'span',
          { className: 'form-text d-block' },
          t('sites.ofToken'),
          ' ',
          limitWords(site.max_submissions_per_minute_of_token),
        ),
    ],
    buttons(site),
  ],
  empty: () => ({ title: t('sites.heading'), text: t('sites.lead') }),
  pages: t('sites.pages'),
});

registryStart(async (given) => {
  session = given;
  await sites.read();
  headShow({ actions: [button({ words: t('sites.add'), look: 'primary', glyph: 'plus', onClick: add })] });
  contentShow(sites.node);
});
