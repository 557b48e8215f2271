/** People: who may sign in, and as what. Temporary passwords are shown once. */
import { admin } from '../admin-api.js';
import { adminListCreate } from '../components/admin-list.js';
import { confirmAsk } from '../components/confirm-dialog.js';
import { formAsk } from '../components/form-dialog.js';
import { badge } from '../components/package-parts.js';
import { button, contentShow, headShow, registryStart, timeNode } from '../components/registry-page.js';
import { secretShow } from '../components/secret-dialog.js';
import { h } from '../dom.js';
import { administersEverySite } from '../rights.js';
import { t, tOr } from '../strings/index.js';

const roles = ['reader', 'submitter', 'administrator'];
const roleTones = { reader: 'quiet', submitter: 'info', administrator: 'accent' };
let session = null;
let sites = [];

const roleWords = (role) => tOr(`people.roles.${role}`, role);

const roleField = (value) => ({
  name: 'role',
  type: 'radio',
  label: t('people.role'),
  value,
  options: roles.map((role) => ({ value: role, label: roleWords(role), hint: t(`people.roleHints.${role}`) })),
});

function stateBadge(person) {
  if (!person.is_active) return badge('quiet', 'slash', t('people.inactive'));
  if (person.must_change_password) return badge('warn', 'clock', t('people.passwordTemporary'));
  return badge('good', 'check', t('people.active'));
}

const passwordShow = (person) =>
  secretShow({
    title: t('people.passwordTitle'),
    text: t('people.passwordText'),
    label: t('people.passwordLabel'),
    secret: person.temporary_password,
    facts: [[t('people.name'), person.username]],
  });

async function add() {
  const everySite = sites.length > 1;
  const person = await people.attempt(
    () =>
      formAsk({
        title: t('people.addTitle'),
        text: t('people.addText'),
        fields: [
          { name: 'username', label: t('people.name'), hint: t('people.nameHint'), required: true, maxlength: 150 },
          everySite && {
            name: 'site',
            type: 'select',
            label: t('people.site'),
            value: session.site.slug,
            options: sites.map((site) => ({ value: site.slug, label: site.name })),
          },
          roleField('reader'),
        ].filter(Boolean),
        confirm: t('people.add'),
        send: async (values) => (await admin.userAdd({ ...values, username: values.username.trim() })).data,
      }),
    null,
  );
  if (person) await passwordShow(person);
}

const roleChange = (person) =>
  people.attempt(
    () =>
      formAsk({
        title: t('people.roleTitle', { name: person.username }),
        fields: [roleField(person.role)],
        confirm: t('people.roleChange'),
        send: async ({ role }) => (await admin.userChange(person.id, { role })).data,
      }),
    t('people.roleChanged'),
  );

const accessChange = (person) =>
  people.attempt(
    async () => {
      const { username: name, is_active: active } = person;
      const sure =
        !active ||
        (await confirmAsk({
          title: t('people.deactivateTitle', { name }),
          text: t('people.deactivateText'),
          confirm: t('people.deactivate'),
          tone: 'danger',
        }));
      return sure && admin.userChange(person.id, { is_active: !active });
    },
    t(person.is_active ? 'people.deactivated' : 'people.activated'),
  );

async function passwordReset(person) {
  const answer = await people.attempt(async () => {
    const sure = await confirmAsk({
      title: t('people.resetTitle', { name: person.username }),
      text: t('people.resetText'),
      confirm: t('people.reset'),
    });
    return sure && (await admin.userPasswordReset(person.id)).data;
  }, null);
  if (answer) await passwordShow(answer);
}

function buttons(person) {
  const { username: name } = person;
  if (name === session.user.username) return h('span', { className: 'muted' }, t('people.you'));
  const one = (words, aria, onClick, look) =>
    button({ words, onClick: () => onClick(person), small: true, look, 'aria-label': aria });
  return h(
    'div',
    { className: 'buttons buttons--end' },
    one(t('people.roleChange'), t('people.roleTitle', { name }), roleChange),
    person.is_active && one(t('people.reset'), t('people.resetOf', { name }), passwordReset),
    person.is_active
      ? one(t('people.deactivate'), t('people.deactivateOf', { name }), accessChange, 'outline-danger')
      : one(t('people.activate'), t('people.activateOf', { name }), accessChange),
  );
}

const people = adminListCreate({
  caption: t('people.heading'),
  columns: () =>
    ['name', 'role', administersEverySite(session) && 'site', 'state', 'lastLogin', 'do']
      .filter(Boolean)
      .map((name) => t(`people.columns.${name}`)),
  list: (filters) => admin.usersList(filters),
  row: (person) =>
    [
      h('strong', {}, person.username),
      badge(roleTones[person.role] ?? 'quiet', null, roleWords(person.role)),
      administersEverySite(session) && (person.site ?? t('common.none')),
      stateBadge(person),
      timeNode(person.last_login),
      buttons(person),
    ].filter((cell) => cell !== false),
  empty: () => ({ title: t('people.heading'), text: t('people.lead') }),
  pages: t('people.pages'),
});

registryStart(async (given) => {
  session = given;
  if (administersEverySite(session)) {
    const { data } = await admin.sitesList({ page_size: 200 });
    sites = data.results.filter((site) => site.is_active);
  }
  headShow({ actions: [button({ words: t('people.add'), look: 'primary', glyph: 'plus', onClick: add })] });
  await people.read();
  contentShow(people.node);
});
