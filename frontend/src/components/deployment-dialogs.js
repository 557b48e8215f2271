/** What an administrator can ask of a deployment, each in a dialog that shows what will happen before it is confirmed. */
import { ApiProblem } from '../api.js';
import { h } from '../dom.js';
import { registry } from '../registry-api.js';
import { administersEverySite, mayChange } from '../rights.js';
import { t } from '../strings/index.js';
import { formAsk, problemNode, reasonField } from './form-dialog.js';
import { compareSections, compareCautions } from './package-compare.js';
import { packageName, scopeWords } from './package-parts.js';
import { callout } from './registry-page.js';
import { toast } from './toasts.js';

/** What the server made of a request: applied, waiting for a second person, or for its moment. */
export function outcomeTell({ state, request }) {
  const title = t(`deployments.outcomes.${state}`);
  toast({
    kind: state === 'FAILED' ? 'danger' : 'success',
    title,
    sentences: [request?.failure?.message].filter(Boolean),
  });
}

const deployable = (model) => model.validation_state === 'PASSED' && !model.archived_at;

/** Options for choosing a package: those that may not serve say why and cannot be chosen. */
export function packageOptions(packages, { without = null } = {}) {
  const label = (model) => {
    const words = `${packageName(model)} — ${model.title}`;
    if (model.archived_at) return `${words} (${t('models.archived')})`;
    return deployable(model) ? words : `${words} (${t(`models.validation.${model.validation_state || 'NONE'}`)})`;
  };
  return packages
    .filter(({ digest }) => digest !== without)
    .map((model) => ({ value: model.digest, label: label(model), disabled: !deployable(model) }));
}

/** Compares what serves with what is chosen, as soon as something is chosen. Returns { node, show(left, right) }. */
function comparisonPreview() {
  const node = h('div', { className: 'preview', 'aria-live': 'polite' });
  let shown = '';
  return {
    node,
    async show(left, right) {
      const wanted = `${left} ${right}`;
      if (wanted === shown) return;
      shown = wanted;
      node.replaceChildren();
      if (!left || !right || left === right) return;
      node.replaceChildren(h('p', { className: 'muted' }, t('deployments.comparing')));
      try {
        const { data } = await registry.packagesCompare(left, right);
        if (shown !== wanted) return;
        const columns = [t('deployments.now'), t('deployments.then')];
        node.replaceChildren(
          h('h3', { className: 'panel__subtitle' }, t('deployments.whatChanges')),
          compareCautions(data) ?? '', // nothing, where `null` would be written out
          h(
            'div',
            {
              className: 'preview__sections',
              tabindex: '0',
              role: 'region',
              'aria-label': t('deployments.whatChanges'),
            },
            compareSections(data, { columns, onlyDifferent: true }),
          ),
        );
      } catch (problem) {
        node.replaceChildren(problemNode(problem)); // the activation itself is checked by the server anyway
      }
    },
  };
}

const when = () => [
  {
    name: 'when',
    type: 'radio',
    label: t('deployments.when'),
    value: 'now',
    options: [
      { value: 'now', label: t('deployments.whenNow') },
      { value: 'at', label: t('deployments.whenAt') },
    ],
  },
  { name: 'moment', type: 'datetime-local', label: t('deployments.moment'), hint: t('deployments.momentHint') },
];

function momentOf(values) {
  if (values.when !== 'at') return {};
  const at = new Date(values.moment);
  if (!values.moment || Number.isNaN(at.getTime())) {
    throw new ApiProblem({
      status: 0,
      code: 'client:moment',
      title: t('deployments.momentMissing'),
      detail: '',
      action: '',
    });
  }
  return { apply_at: at.toISOString() };
}

async function changeablePointers(session) {
  const { data } = await registry.deploymentsAll();
  return data.results.filter((one) => mayChange(session, one));
}

/**
 * Puts a package in service. With `pointer` the deployment is known; with `chosen` the package is. Without a pointer the
 * deployments the person may change are offered, and a name may be typed for a new one. Resolves to the server's outcome, or null.
 */
export async function activateAsk({ session, pointer = null, chosen = null, fresh = false }) {
  const [packages, pointers] = await Promise.all([
    chosen ? null : registry.packagesList({}).then(({ data }) => data.results),
    pointer ? null : changeablePointers(session),
  ]);
  const preview = comparisonPreview();
  const fields = [];
  if (!pointer) {
    const known = pointers.map((one, index) => ({ value: String(index), label: `${one.name} — ${scopeWords(one)}` }));
    fields.push(
      {
        name: 'pointer',
        type: 'select',
        label: t('deployments.which'),
        value: fresh || !known.length ? 'new' : '0',
        options: [...known, { value: 'new', label: t('deployments.new') }],
      },
      {
        name: 'name',
        label: t('deployments.name'),
        hint: t('deployments.nameHint'),
        value: 'default',
        pattern: '[a-zA-Z0-9_\\-]{1,50}',
      },
      {
        name: 'scope',
        type: 'select',
        label: t('deployments.scope'),
        hint: t('deployments.scopeHint'),
        options: scopeOptions(session),
      },
    );
  }
  if (!chosen) {
    fields.push({
      name: 'package',
      type: 'select',
      label: t('deployments.package'),
      hint: t('deployments.packageHint'),
      required: true,
      options: [
        { value: '', label: t('deployments.packageChoose') },
        ...packageOptions(packages, { without: pointer?.package.digest }),
      ],
    });
  }
  const pointerOf = (values) => {
    if (pointer) return pointer;
    return values.pointer === 'new' ? { name: values.name, scope: values.scope } : pointers[Number(values.pointer)];
  };
  const outcome = await formAsk({
    title: pointer ? t('deployments.activateTitle', { name: pointer.name }) : t('deployments.deployTitle'),
    text: pointer && t('deployments.servesNow', { name: packageName(pointer.package), scope: scopeWords(pointer) }),
    fields: [...fields, preview, ...when(), reasonField()],
    confirm: t('deployments.activate'),
    wide: true,
    onChange: (values, form) => {
      const isNew = values.pointer === 'new';
      for (const name of ['name', 'scope'])
        form.querySelector(`[data-field="${name}"]`)?.toggleAttribute('hidden', !isNew);
      form.querySelector('[data-field="moment"]').toggleAttribute('hidden', values.when !== 'at');
      preview.show(pointerOf(values)?.package?.digest, chosen?.digest ?? values.package);
    },
    send: async (values) => {
      const body = { package: chosen?.digest ?? values.package, reason: values.reason, ...momentOf(values) };
      return (await registry.activate(pointerOf(values), body)).data;
    },
  });
  if (outcome) outcomeTell(outcome);
  return outcome;
}

const scopeOptions = (session) =>
  (administersEverySite(session) ? ['site', 'all'] : ['site']).map((value) => ({
    value,
    label: t(`deployments.scopes.${value}`),
  }));

/** Back to the package before: one dialog, one reason. */
export async function rollbackAsk(pointer) {
  const outcome = await formAsk({
    title: t('deployments.rollbackTitle', { name: pointer.name }),
    text: t('deployments.rollbackText', { now: packageName(pointer.package), then: packageName(pointer.previous) }),
    fields: [reasonField()],
    confirm: t('deployments.rollbackTo', { name: packageName(pointer.previous) }),
    tone: 'danger',
    send: async ({ reason }) => (await registry.rollback(pointer, { reason })).data,
  });
  if (outcome) outcomeTell(outcome);
  return outcome;
}

export async function candidateStartAsk(pointer) {
  const { data } = await registry.packagesList({});
  const preview = comparisonPreview();
  const outcome = await formAsk({
    title: t('deployments.candidateTitle', { name: pointer.name }),
    wide: true,
    fields: [
      {
        name: 'package',
        type: 'select',
        label: t('deployments.package'),
        required: true,
        options: [
          { value: '', label: t('deployments.packageChoose') },
          ...packageOptions(data.results, { without: pointer.package.digest }),
        ],
      },
      {
        name: 'mode',
        type: 'radio',
        label: t('deployments.mode'),
        value: 'shadow',
        options: ['shadow', 'canary'].map((value) => ({
          value,
          label: t(`deployments.modes.${value}`),
          hint: t(`deployments.modeHints.${value}`),
        })),
      },
      {
        name: 'share',
        type: 'number',
        label: t('deployments.share'),
        hint: t('deployments.shareHint'),
        value: 10,
        min: 0.1,
        max: 100,
        step: 'any',
        required: true,
      },
      preview,
      reasonField(),
    ],
    confirm: t('deployments.candidateBegin'),
    onChange: (values) => preview.show(pointer.package.digest, values.package),
    send: async ({ package: digest, mode, share, reason }) =>
      (await registry.candidateStart(pointer, { package: digest, mode, share: Number(share) / 100, reason })).data,
  });
  if (outcome) outcomeTell(outcome);
  return outcome;
}

export async function candidateStopAsk(pointer) {
  const outcome = await formAsk({
    title: t('deployments.candidateStopTitle', { name: packageName(pointer.candidate.package) }),
    text: t('deployments.candidateStopText'),
    fields: [reasonField()],
    confirm: t('deployments.candidateStop'),
    tone: 'danger',
    send: async ({ reason }) => (await registry.candidateStop(pointer, { reason })).data,
  });
  if (outcome) outcomeTell(outcome);
  return outcome;
}

/** The automatic roll-back's limits; an empty field leaves that condition out, all empty switches it off. */
export const ruleFields = [
  { name: 'minimum_jobs', min: 1, step: 1 },
  { name: 'window_minutes', min: 1, step: 1 },
  { name: 'failure_share', min: 0, max: 100, step: 'any', factor: 100 },
  { name: 'latency_p95_seconds', min: 0.001, step: 'any' },
];

export function rulesFrom(values) {
  const given = ruleFields.filter(({ name }) => values[name] !== '' && values[name] !== undefined);
  return Object.fromEntries(given.map(({ name, factor = 1 }) => [name, Number(values[name]) / factor]));
}

export async function rulesAsk(pointer) {
  const outcome = await formAsk({
    title: t('deployments.rulesTitle', { name: pointer.name }),
    text: t('deployments.rulesText'),
    fields: [
      ...ruleFields.map(({ name, factor = 1, ...limits }) => ({
        name,
        type: 'number',
        label: t(`deployments.rules.${name}`),
        value: pointer.rules[name] === undefined ? '' : pointer.rules[name] * factor,
        ...limits,
      })),
      reasonField(),
    ],
    confirm: t('deployments.rulesSave'),
    send: async (values) =>
      (await registry.rulesSet(pointer, { rules: rulesFrom(values), reason: values.reason })).data,
  });
  if (outcome) outcomeTell(outcome);
  return outcome;
}

/** Approve, reject or withdraw what someone asked for. */
export async function decisionAsk(asked, decision) {
  const required = decision === 'reject';
  const outcome = await formAsk({
    title: t(`deployments.decisions.${decision}Title`),
    text: t('deployments.decisionText', { who: asked.requested_by ?? t('registry.platform'), reason: asked.reason }),
    fields: [
      {
        ...reasonField(),
        required,
        minlength: required ? 5 : null,
        hint: required ? t('registry.reasonHint') : null,
        label: t(required ? 'registry.reason' : 'registry.reasonOptional'),
      },
    ],
    confirm: t(`deployments.decisions.${decision}`),
    tone: decision === 'approve' ? 'primary' : 'danger',
    send: async ({ reason }) => (await registry.requestDecide(asked.id, decision, reason)).data,
  });
  if (outcome) outcomeTell(outcome);
  return outcome;
}

/** Loud words for a package that not every worker can serve. */
export function readinessCallout(readiness) {
  const { state } = readiness;
  if (state === 'ready') return null;
  const tone = state === 'loading' ? 'info' : state === 'partial' ? 'warning' : 'bad';
  return callout({ tone, title: t(`readiness.${state}Title`), text: t(`readiness.${state}Text`) });
}
