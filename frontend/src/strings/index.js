/** Looks strings up in the catalogue. A missing key is an error, so that a page never shows a bare key or an empty label. */
import { enAdministration } from './en-administration.js';
import { enBatches } from './en-batches.js';
import { enDeployments } from './en-deployments.js';
import { enRegistry } from './en-registry.js';
import { enOnboarding } from './en-onboarding.js';
import { enOperations } from './en-operations.js';
import { en } from './en.js';
import { enWorklist } from './en-worklist.js';
import { enViewer } from './en-viewer.js';

const catalogue = {
  ...en,
  ...enAdministration,
  ...enBatches,
  ...enRegistry,
  ...enDeployments,
  ...enWorklist,
  ...enOnboarding,
  ...enOperations,
  viewer: enViewer,
};

/** `t('worklist.attempt', { n: 2, max: 3 })`: the string at that path, `{n}` filled in. Throws RangeError on an unknown path. */
export function t(path, values = {}) {
  const found = path.split('.').reduce((node, key) => node?.[key], catalogue);
  if (typeof found !== 'string') throw new RangeError(`no string at ${path}`);
  return found.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Like `t`, for keys that come from the server: the fallback when the catalogue does not know them. */
export function tOr(path, fallback, values = {}) {
  const found = path.split('.').reduce((node, key) => node?.[key], catalogue);
  return typeof found === 'string' ? t(path, values) : fallback;
}

/** Picks `one` or `other` of a plural entry by the language's own rule. */
export function plural(path, count, values = {}) {
  const form = new Intl.PluralRules(catalogue.locale).select(count);
  return tOr(`${path}.${form}`, null, { n: count, ...values }) ?? t(`${path}.other`, { n: count, ...values });
}

export const locale = catalogue.locale;

/** [key, string] of every string below that path, in the catalogue's order. */
export const entries = (path) => Object.entries(path.split('.').reduce((node, key) => node[key], catalogue));
