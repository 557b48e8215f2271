/** Reads one chosen file into an entry of the upload page: kind, fingerprint, side and view, preview source. Draws nothing. */
import { previewRequest } from '../dicom/preview-client.js';
import { nameTokensRead } from '../dicom/name-tokens.js';
import { mediaSniff } from '../dicom/sniff.js';

let count = 0;

/** `folder`: where it lay, relative to what was chosen; pictures of one folder are one study. */
export function entryCreate(file, folder = '') {
  count += 1;
  return {
    key: `file-${count}`,
    file,
    folder,
    name: file.name,
    sizeBytes: file.size,
    state: 'reading',
    media: undefined,
    fingerprint: null,
    facts: null,
    headerError: null,
    preview: null,
    side: '',
    view: '',
    source: 'none', // where side and view come from: 'header' | 'name' | 'person' | 'none'
    serverProblem: null,
  };
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** SHA-256 of the file. Browsers offer it on secure origins only; elsewhere name, size and date stand in. */
async function fingerprintMake(file) {
  if (!globalThis.crypto?.subtle) return `${file.name}|${file.size}|${file.lastModified}`;
  return hex(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
}

async function dicomRead(entry) {
  try {
    const { facts, preview } = await previewRequest(entry.file);
    const stated = Boolean(facts.imageLaterality && facts.viewPosition);
    const side = facts.imageLaterality ?? '';
    Object.assign(entry, { facts, preview, side, view: facts.viewPosition ?? '', source: stated ? 'header' : 'none' });
  } catch (error) {
    entry.headerError = error.message;
    entry.preview = { kind: 'failed' };
  }
}

function nameRead(entry) {
  const { imageLaterality, viewPosition } = nameTokensRead(entry.name);
  if (!imageLaterality && !viewPosition) return;
  Object.assign(entry, { side: imageLaterality ?? '', view: viewPosition ?? '', source: 'name' });
}

/** Fill the entry in place; never rejects for what the file holds, because that is what the entry reports. */
export async function entryRead(entry, { maximumBytes }) {
  const readable = entry.sizeBytes > 0 && !(maximumBytes && entry.sizeBytes > maximumBytes);
  try {
    entry.media = readable ? mediaSniff(new Uint8Array(await entry.file.slice(0, 160).arrayBuffer())) : null;
    if (readable && entry.media) entry.fingerprint = await fingerprintMake(entry.file);
    if (entry.media === 'dicom') await dicomRead(entry);
    else if (entry.media) entry.preview = { kind: 'image' };
    if (entry.media && entry.source === 'none' && !entry.side && !entry.view) nameRead(entry);
  } catch (error) {
    // the file vanished or may not be read (a folder, a lost share)
    entry.media = null;
    entry.headerError = error.message;
  }
  entry.state = 'ready';
}

/** What is said beside the uploads of a study. What a DICOM header states itself is left for the server to read. */
export function submissionMake(entries, { uploads, externalId, priority, deployment }) {
  const stated = (entry, value) => (entry.source === 'header' ? '' : value);
  return {
    uploads,
    image_laterality: entries.map((entry) => stated(entry, entry.side)),
    view_position: entries.map((entry) => stated(entry, entry.view)),
    priority,
    ...(externalId && { external_id: externalId }),
    ...(deployment && { deployment }),
  };
}
