/** Lookups in one catalogue. A missing key is an error, so that a page never shows a bare key or an empty label. */

/** { locale, t, tOr, plural, entries } of a catalogue: nested objects of strings, with its BCP 47 `locale`. */
export function translator(catalogue) {
  const plurals = new Intl.PluralRules(catalogue.locale);
  const nodeAt = (path) => path.split('.').reduce((node, key) => node?.[key], catalogue);
  const filled = (text, values) =>
    text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));

  /** `t('worklist.attempt', { n: 2, max: 3 })`: the string at that path, `{n}` filled in. Throws RangeError on an unknown path. */
  function t(path, values = {}) {
    const found = nodeAt(path);
    if (typeof found !== 'string') throw new RangeError(`no string at ${path}`);
    return filled(found, values);
  }

  /** Like `t`, for keys that come from the server: the fallback when the catalogue does not know them. */
  function tOr(path, fallback, values = {}) {
    const found = nodeAt(path);
    return typeof found === 'string' ? filled(found, values) : fallback;
  }

  /** The form of a plural entry by the language's own rule; `other` where a language's rarer form (Spanish: a million) is not written. */
  function plural(path, count, values = {}) {
    const shown = { n: count, ...values };
    return tOr(`${path}.${plurals.select(count)}`, null, shown) ?? t(`${path}.other`, shown);
  }

  /** [key, string] of every string below that path, in the catalogue's order. */
  const entries = (path) => Object.entries(nodeAt(path));

  return { locale: catalogue.locale, t, tOr, plural, entries };
}
