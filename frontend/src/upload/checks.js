/**
 * What can be known about a study before it is sent. Pure: entries in, problems out.
 *
 * Errors stop the upload because the server is certain to refuse; warnings do not, because the server has the last word.
 * An entry: { key, name, sizeBytes, media, fingerprint, facts | null, headerError, side, view, source }.
 */
import { bytes } from '../format.js';
import { t } from '../strings/index.js';

const mammography = new Set(['MG', 'RG', 'CR', 'DX', 'SC', 'OT']);

const error = (key, values) => ({ level: 'error', text: t(`upload.check.${key}`, values) });
const warning = (key, values) => ({ level: 'warning', text: t(`upload.check.${key}`, values) });

function dicomProblems({ facts, headerError }) {
  if (headerError) return [error('headerUnreadable')];
  if (!facts) return [];
  const found = [];
  if (!facts.hasPixels) found.push(error('noPixels'));
  if (facts.modality && !mammography.has(facts.modality)) found.push(warning('modality', { modality: facts.modality }));
  if (facts.forProcessing) found.push(warning('forProcessing'));
  if (facts.frames > 1) found.push(warning('frames', { n: facts.frames }));
  if (facts.burnedIn) found.push(warning('burnedIn'));
  return found;
}

export function fileProblems(entry, limits) {
  if (entry.sizeBytes === 0) return [error('empty')];
  if (limits.max_file_bytes && entry.sizeBytes > limits.max_file_bytes) {
    return [error('tooLarge', { size: bytes(entry.sizeBytes), limit: bytes(limits.max_file_bytes) })];
  }
  if (entry.media === null) return [error('notImage')];
  const found = entry.media === 'dicom' ? dicomProblems(entry) : [];
  if (entry.source !== 'header' && Boolean(entry.side) !== Boolean(entry.view)) found.push(warning('pairedView'));
  return found;
}

const differing = (entries, fact) => new Set(entries.map(({ facts }) => facts?.[fact]).filter(Boolean)).size > 1;

/** → { byKey: Map key → problems, study: problems of the study as a whole } */
export function studyProblems(entries, limits) {
  const byKey = new Map(entries.map((entry) => [entry.key, fileProblems(entry, limits)]));
  const prints = new Set();
  const views = new Set();
  for (const entry of entries) {
    if (entry.fingerprint && prints.has(entry.fingerprint)) byKey.get(entry.key).unshift(error('duplicate'));
    prints.add(entry.fingerprint);
    const view = entry.side && entry.view ? entry.side + entry.view : null;
    if (view && views.has(view)) byKey.get(entry.key).push(warning('sameView', { view }));
    views.add(view);
  }
  const study = [];
  if (limits.max_files && entries.length > limits.max_files) study.push(error('tooMany', { limit: limits.max_files }));
  if (differing(entries, 'patientId')) study.push(error('patients'));
  else if (differing(entries, 'studyInstanceUid')) study.push(error('studies'));
  return { byKey, study };
}

/** How many entries stop the upload, and how many only need a look. */
export function problemsCount({ byKey }) {
  const lists = [...byKey.values()];
  const errors = lists.filter((list) => list.some(({ level }) => level === 'error')).length;
  const warnings = lists.filter((list) => list.length && list.every(({ level }) => level === 'warning')).length;
  return { errors, warnings };
}
