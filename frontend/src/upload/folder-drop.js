/** Files out of a drop or a picker, folders opened: [{ file, folder }]. `folder` is relative to what was chosen. */
import { isJunk } from './grouping.js';

const entryFile = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

/** A reader gives at most a hundred at a time, and an empty list at the end. */
async function entryChildren(entry) {
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.sort((a, b) => a.name.localeCompare(b.name));
    found.push(...some);
  }
}

async function entryWalk(entry, folder, found) {
  if (isJunk(entry.name)) return;
  if (entry.isFile) found.push({ file: await entryFile(entry), folder });
  else for (const child of await entryChildren(entry)) await entryWalk(child, `${folder}${entry.name}/`, found);
}

/** The entries must be asked for in the drop's own turn: afterwards the browser forgets them. */
export async function filesOfDrop(dataTransfer) {
  const entries = [...dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...dataTransfer.files].map((file) => ({ file, folder: '' }));
  const found = [];
  for (const entry of entries) await entryWalk(entry, '', found);
  return found;
}

export function filesOfPicker(files) {
  return [...files]
    .filter(({ name }) => !isJunk(name))
    .map((file) => ({ file, folder: (file.webkitRelativePath ?? '').slice(0, -file.name.length) }));
}
