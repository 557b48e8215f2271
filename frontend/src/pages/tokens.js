/** API tokens: one's own, or for administrators the site's. A token is shown once. */
import { admin } from '../admin-api.js';
import { adminListCreate } from '../components/admin-list.js';
import { confirmAsk } from '../components/confirm-dialog.js';
import { formAsk } from '../components/form-dialog.js';
import { badge } from '../components/package-parts.js';
import { button, contentShow, headShow, registryStart, timeNode } from '../components/registry-page.js';
import { secretShow } from '../components/secret-dialog.js';
import { h } from '../dom.js';
import { dateTime } from '../format.js';
import { isAdministrator } from '../rights.js';
import { t } from '../strings/index.js';

const lives = [30, 90, 365];
const dayMilliseconds = 86_400_000;
let session = null;
let owners = [];

/** When a token of so many days ends, as ISO 8601; null for “never”. */
function expiry(days, now = Date.now()) {
  return days ? new Date(now + Number(days) * dayMilliseconds).toISOString() : null;
}

function stateBadge(token) {
  if (token.revoked_at) return badge('bad', 'slash', t('tokens.revoked'));
  if (token.expires_at && Date.parse(token.expires_at) <= Date.now())
    return badge('quiet', 'clock', t('tokens.expired'));
  return badge('good', 'check', t('tokens.active'));
}

const isUsable = (token) => !token.revoked_at && !(token.expires_at && Date.parse(token.expires_at) <= Date.now());

async function add() {
  const token = await tokens.attempt(
    () =>
      formAsk({
        title: t('tokens.addTitle'),
        text: t('tokens.addText'),
        fields: [
          { name: 'name', label: t('tokens.name'), hint: t('tokens.nameHint'), required: true, maxlength: 100 },
          owners.length > 1 && {
            name: 'user',
            type: 'select',
            label: t('tokens.owner'),
            hint: t('tokens.ownerHint'),
            value: String(owners.find(({ username }) => username === session.user.username)?.id ?? owners[0].id),
            options: owners.map(({ id, username }) => ({ value: String(id), label: username })),
          },
          {
            name: 'rights',
            type: 'radio',
            label: t('tokens.rights'),
            value: 'all',
            options: [
              { value: 'all', label: t('tokens.rightsAll'), hint: t('tokens.rightsAllHint') },
              { value: 'read', label: t('tokens.rightsRead'), hint: t('tokens.rightsReadHint') },
            ],
          },
          {
            name: 'days',
            type: 'select',
            label: t('tokens.life'),
            value: '90',
            options: [
              ...lives.map((days) => ({ value: String(days), label: t('tokens.days', { n: days }) })),
              { value: '', label: t('tokens.never') },
            ],
          },
        ].filter(Boolean),
        confirm: t('tokens.add'),
        send: async ({ name, user, rights, days }) => {
          const body = { name: name.trim(), read_only: rights === 'read', expires_at: expiry(days) };
          if (user) body.user = Number(user);
          return (await admin.tokenAdd(body)).data;
        },
      }),
    null,
  );
  if (!token) return;
  await secretShow({
    title: t('tokens.shownTitle'),
    text: t('tokens.shownText'),
    label: t('tokens.token'),
    secret: token.token,
    facts: [
      [t('tokens.name'), token.name],
      [t('tokens.owner'), token.user],
    ],
    example: {
      label: t('tokenTry.curl'),
      text: `curl -H "Authorization: Bearer ${token.token}" "${location.origin}/api/v1/jobs?page_size=5"`,
      note: [t('tokenTry.next'), ' ', h('a', { href: '/guide', target: '_blank' }, t('tokenTry.guide'))],
    },
  });
}

const revoke = (token) =>
  tokens.attempt(async () => {
    const sure = await confirmAsk({
      title: t('tokens.revokeTitle', { name: token.name }),
      text: t('tokens.revokeText'),
      confirm: t('tokens.revoke'),
      tone: 'danger',
    });
    return sure && admin.tokenRevoke(token.id);
  }, t('tokens.wasRevoked'));

const tokens = adminListCreate({
  caption: t('tokens.heading'),
  columns: () =>
    ['name', 'prefix', 'owner', 'rights', 'state', 'lastUsed', 'expires', 'do'].map((name) =>
      t(`tokens.columns.${name}`),
    ),
  list: (filters) => admin.tokensList(filters),
  row: (token) => ({
    className: isUsable(token) ? null : 'admin-list__over',
    of: [
      h('strong', {}, token.name),
      h('code', {}, `${token.prefix}…`),
      token.user,
      t(token.read_only ? 'tokens.rightsRead' : 'tokens.rightsAll'),
      stateBadge(token),
      token.last_used_at ? timeNode(token.last_used_at) : t('tokens.unused'),
      token.expires_at ? dateTime(token.expires_at) : t('tokens.never'),
      isUsable(token)
        ? button({
            words: t('tokens.revoke'),
            small: true,
            look: 'outline-danger',
            'aria-label': t('tokens.revokeOf', { name: token.name }),
            onClick: () => revoke(token),
          })
        : null,
    ],
  }),
  empty: () => ({
    title: t('tokens.emptyTitle'),
    text: t('tokens.emptyText'),
    action: button({ words: t('tokens.add'), look: 'primary', onClick: add }),
  }),
  pages: t('tokens.pages'),
});

registryStart(async (given) => {
  session = given;
  if (isAdministrator(session)) {
    const { data } = await admin.usersList({ page_size: 200 });
    owners = data.results.filter(({ is_active: active, site }) => active && site === session.site.slug);
  }
  headShow({
    lead: t(isAdministrator(session) ? 'tokens.leadOfSite' : 'tokens.lead'),
    actions: [button({ words: t('tokens.add'), look: 'primary', glyph: 'plus', onClick: add })],
  });
  await tokens.read();
  contentShow(tokens.node);
  if (new URLSearchParams(location.search).has('new')) {
    history.replaceState(null, '', '/tokens'); // a page read again does not ask again
    add();
  }
});
