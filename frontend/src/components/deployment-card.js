/** One deployment: what serves since when, whether every worker can, the candidate, what is asked for, and its history. */
import { h } from '../dom.js';
import { dateTime, digestShort, duration, percent } from '../format.js';
import { agreementPath, modelPath } from '../navigation.js';
import { registryUrl } from '../registry-api.js';
import { mayChange } from '../rights.js';
import { makersLang } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { readinessCallout, ruleFields } from './deployment-dialogs.js';
import { icon } from './icons.js';
import { badge, classList, packageLink, packageName, scopeWords, validationBadge } from './package-parts.js';
import { button, fact, link, timeNode } from './registry-page.js';

const workerLooks = { ready: ['good', 'check'], loading: ['info', 'pause'], refused: ['bad', 'xCircle'] };

/** Per worker whether it has the package loaded and proven; refusals in the server's words. */
export function readinessNode(readiness) {
  return h(
    'div',
    { className: 'readiness' },
    readinessCallout(readiness),
    readiness.state === 'ready' && h('p', { className: 'muted' }, t('readiness.readyText')),
    h(
      'ul',
      { className: 'workers' },
      readiness.workers.map(({ name, state, code, message }) => {
        const [tone, glyph] = workerLooks[state] ?? ['quiet', 'info'];
        return h(
          'li',
          {},
          badge(tone, glyph, t(`readiness.workers.${state}`)),
          h('span', {}, name),
          message && h('span', { className: 'workers__why' }, message, ' ', code && h('code', {}, code)),
        );
      }),
    ),
  );
}

function candidateNode(pointer, { act, changeable }) {
  const { candidate } = pointer;
  if (!candidate) return null;
  const share = percent(candidate.share);
  return h(
    'div',
    { className: 'sub-card' },
    h('h3', { className: 'panel__subtitle' }, t('deployments.candidate')),
    h(
      'p',
      {},
      packageLink(candidate.package, 'strong'),
      ' ',
      badge('info', 'flask', t(`deployments.modes.${candidate.mode}`)),
      ' ',
      t(`deployments.shareOf.${candidate.mode}`, { share }),
      ' · ',
      t('deployments.since'),
      ' ',
      timeNode(candidate.since),
    ),
    h(
      'div',
      { className: 'buttons' },
      link({ words: t('deployments.agreement'), href: agreementPath(pointer), glyph: 'columns', small: true }),
      changeable &&
        button({
          words: t('deployments.candidateStop'),
          glyph: 'x',
          small: true,
          onClick: () => act('candidateStop', pointer),
        }),
    ),
  );
}

export const changeWords = (kind) => tOr(`deployments.changes.${kind}`, kind);

function pendingNode(pointer, { act, session, changeable }) {
  if (!pointer.pending.length) return null;
  return h(
    'div',
    { className: 'sub-card sub-card--pending' },
    h('h3', { className: 'panel__subtitle' }, icon('clock'), ` ${t('deployments.pending')}`),
    h(
      'ul',
      { className: 'plain-list plain-list--bare' },
      pointer.pending.map((asked) => {
        const own = asked.requested_by === session.user.username;
        const other = changeable && !own;
        const decide = (decision, look) =>
          button({
            words: t(`deployments.decisions.${decision}`),
            look,
            small: true,
            onClick: () => act('decide', asked, decision),
          });
        return h(
          'li',
          { className: 'pending' },
          h(
            'p',
            {},
            h('strong', {}, tOr(`deployments.requests.${asked.kind}`, asked.kind)),
            asked.package && [' ', packageLink(asked.package)],
            ' · ',
            asked.state === 'SCHEDULED'
              ? t('deployments.scheduledFor', { time: dateTime(asked.apply_at) })
              : t('deployments.waitsForSecond'),
          ),
          h(
            'p',
            { className: 'muted' },
            t('deployments.askedBy', { who: asked.requested_by ?? t('registry.platform') }),
            ' ',
            timeNode(asked.requested_at),
            ` — ${asked.reason}`,
          ),
          h(
            'div',
            { className: 'buttons' },
            asked.state === 'PENDING' && other && decide('approve', 'primary'),
            other && decide('reject', 'outline-danger'),
            own && decide('withdraw', 'outline-secondary'),
          ),
        );
      }),
    ),
  );
}

function rulesWords(rules) {
  const words = ruleFields
    .filter(({ name }) => rules[name] !== undefined)
    .map(({ name }) => {
      const value =
        name === 'failure_share'
          ? percent(rules[name])
          : name === 'latency_p95_seconds'
            ? duration(rules[name])
            : rules[name];
      return t(`deployments.ruleWords.${name}`, { value });
    });
  return words.length ? words.join(' · ') : t('deployments.rulesNone');
}

/** Packages that the history names, by digest. */
function packagesOf({ package: model, candidate, history }) {
  const named = [model, candidate?.package, ...history.flatMap((change) => [change.package, change.previous])];
  return new Map(named.filter(Boolean).map((one) => [one.digest, one]));
}

/** What a change moved: from and to, or the candidate, or the rules. */
function changeNodes({ kind, previous, package: model, detail }, known) {
  if (kind === 'rules') return h('span', { className: 'muted' }, rulesWords(detail.rules_to ?? {}));
  if (kind.startsWith('candidate_')) {
    const candidate = known.get(detail.candidate);
    const named = candidate
      ? packageLink(candidate)
      : h('a', { href: modelPath(detail.candidate) }, digestShort(detail.candidate));
    return [named, detail.mode && ` · ${tOr(`deployments.modes.${detail.mode}`, detail.mode)}`];
  }
  return [previous && previous.digest !== model.digest && [packageLink(previous), ' → '], packageLink(model)];
}

/** Every change, newest first; who, approved by whom, when and why. */
export function historyNode(pointer) {
  const known = packagesOf(pointer);
  return h(
    'ol',
    { className: 'change-list' },
    [...pointer.history]
      .sort((a, b) => b.id - a.id)
      .map((change) =>
        h(
          'li',
          { className: `change change--${change.kind}` },
          h(
            'span',
            { className: 'change__mark' },
            icon(change.kind === 'rollback' ? 'back' : change.kind === 'activate' ? 'upload' : 'flask'),
          ),
          h(
            'div',
            {},
            h(
              'p',
              { className: 'change__what' },
              h('strong', {}, changeWords(change.kind)),
              ' ',
              changeNodes(change, known),
            ),
            h('p', { className: 'muted' }, change.reason),
            h(
              'p',
              { className: 'muted' },
              change.changed_by ?? t('registry.platform'),
              change.approved_by && ` · ${t('deployments.approvedBy', { who: change.approved_by })}`,
              ' · ',
              h('time', { datetime: change.changed_at }, dateTime(change.changed_at)),
            ),
          ),
        ),
      ),
  );
}

/** What can be asked of the pointer. One for every site is changed by platform administrators; others may make their site's own. */
function buttonsNode(pointer, { act, changeable, ownExists }) {
  const { previous } = pointer;
  if (!changeable) {
    return [
      h('p', { className: 'muted deployment__note' }, t('deployments.platformOnly')),
      pointer.scope === 'all' &&
        !ownExists &&
        button({
          words: t('deployments.activateForSite'),
          glyph: 'upload',
          onClick: () => act('activateForSite', pointer),
        }),
    ];
  }
  return [
    button({
      words: t('deployments.activateOther'),
      look: 'primary',
      glyph: 'upload',
      onClick: () => act('activate', pointer),
    }),
    button({
      words: t('deployments.rollback'),
      look: 'outline-danger',
      glyph: 'back',
      disabled: !previous,
      title: previous ? t('deployments.rollbackTo', { name: packageName(previous) }) : t('deployments.noPrevious'),
      onClick: () => act('rollback', pointer),
    }),
    !pointer.candidate &&
      button({
        words: t('deployments.candidateStart'),
        glyph: 'flask',
        onClick: () => act('candidateStart', pointer),
      }),
  ];
}

/**
 * `act(kind, pointer or request)` runs a button; `readiness` null while it is read; `ownExists`: the site has a pointer of
 * its own by that name.
 */
export function deploymentCard(pointer, { act, session, ownExists = false, readiness = null, historyOpen = false }) {
  const { package: model } = pointer;
  const changeable = mayChange(session, pointer);
  return h(
    'section',
    {
      className: 'card deployment',
      dataset: { pointer: pointer.id },
      'aria-label': `${pointer.name}, ${scopeWords(pointer)}`,
    },
    h(
      'div',
      { className: 'deployment__head' },
      h('h2', { className: 'h5' }, pointer.name),
      badge('quiet', null, scopeWords(pointer)),
      h('div', { className: 'buttons deployment__buttons' }, buttonsNode(pointer, { act, changeable, ownExists })),
    ),
    h(
      'div',
      { className: 'deployment__body' },
      h(
        'div',
        {},
        h('h3', { className: 'panel__subtitle' }, t('deployments.serves')),
        h(
          'p',
          { className: 'deployment__package' },
          packageLink(model, 'strong'),
          ' ',
          validationBadge(model.validation_state),
        ),
        h('p', { lang: makersLang }, model.title),
        classList(model.classes),
        h(
          'dl',
          { className: 'facts deployment__facts' },
          fact(t('deployments.activated'), timeNode(pointer.activated_at)),
          fact(t('deployments.previous'), pointer.previous ? packageLink(pointer.previous) : t('common.none')),
          fact(
            t('deployments.automatic'),
            rulesWords(pointer.rules),
            ' ',
            changeable &&
              button({
                words: t('deployments.rulesChange'),
                look: 'ghost',
                small: true,
                onClick: () => act('rules', pointer),
              }),
          ),
        ),
      ),
      h(
        'div',
        { className: 'stack' },
        h(
          'div',
          {},
          h('h3', { className: 'panel__subtitle' }, t('readiness.heading')),
          h(
            'div',
            { dataset: { readiness: model.digest } },
            readiness ? readinessNode(readiness) : h('p', { className: 'muted' }, t('common.loading')),
          ),
        ),
        candidateNode(pointer, { act, changeable }),
        pendingNode(pointer, { act, session, changeable }),
      ),
    ),
    h(
      'details',
      { className: 'deployment__history', open: historyOpen },
      h(
        'summary',
        { className: 'history__summary' },
        t('deployments.history'),
        h('span', { className: 'history__count' }, pointer.history.length),
      ),
      historyNode(pointer),
      h(
        'p',
        { className: 'deployment__export' },
        link({
          words: t('deployments.export'),
          href: registryUrl.history(pointer.name),
          glyph: 'download',
          small: true,
          download: '',
        }),
      ),
    ),
  );
}
