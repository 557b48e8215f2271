/** Writes small DICOM files for the tests, explicit or implicit little endian, from a list of [group, element, VR, value]. */
const longVrs = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

const bytesOf = (vr, value) => {
  if (value instanceof Uint8Array) return value;
  if (vr === 'US' || vr === 'SS') {
    const words = [value].flat();
    const data = new DataView(new ArrayBuffer(2 * words.length));
    words.forEach((word, index) => data.setUint16(2 * index, word & 0xffff, true));
    return new Uint8Array(data.buffer);
  }
  const text = new TextEncoder().encode(String(value));
  if (text.length % 2 === 0) return text;
  const padded = new Uint8Array(text.length + 1).fill(vr === 'UI' ? 0 : 0x20);
  padded.set(text);
  return padded;
};

const u16 = (value) => [value & 255, (value >> 8) & 255];
const u32 = (value) => [...u16(value & 0xffff), ...u16(value >>> 16)];

export function element([group, number, vr, value], { implicit = false } = {}) {
  const body = bytesOf(vr, value);
  const undefinedLength = vr === 'encapsulated';
  const tag = [...u16(group), ...u16(number)];
  if (undefinedLength) return [...tag, ...[0x4f, 0x42, 0, 0], ...u32(0xffffffff), ...body];
  if (implicit) return [...tag, ...u32(body.length), ...body];
  const letters = [...vr].map((letter) => letter.charCodeAt(0));
  const length = longVrs.has(vr) ? [0, 0, ...u32(body.length)] : u16(body.length);
  return [...tag, ...letters, ...length, ...body];
}

/** One item of a sequence with defined length. */
export const item = (elements) => {
  const body = elements.flatMap((one) => element(one));
  return new Uint8Array([0xfe, 0xff, 0x00, 0xe0, ...u32(body.length), ...body]);
};

/** Encapsulated pixel data: an empty offset table, one fragment, the delimiter. */
export const encapsulated = (frame) =>
  new Uint8Array([
    ...[0xfe, 0xff, 0x00, 0xe0, ...u32(0)],
    ...[0xfe, 0xff, 0x00, 0xe0, ...u32(frame.length), ...frame],
    ...[0xfe, 0xff, 0xdd, 0xe0, ...u32(0)],
  ]);

export function dicomBytes(elements, { transferSyntax = '1.2.840.10008.1.2.1' } = {}) {
  const meta = element([0x0002, 0x0010, 'UI', transferSyntax]);
  const group = element([0x0002, 0x0000, 'US', 0]).slice(0, 4);
  const head = [...group, 0x55, 0x4c, 4, 0, ...u32(meta.length), ...meta];
  const sorted = [...elements].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const body = sorted.flatMap((one) => element(one, { implicit: transferSyntax === '1.2.840.10008.1.2' }));
  return new Uint8Array([...new Array(128).fill(0), 0x44, 0x49, 0x43, 0x4d, ...head, ...body]);
}

export const wordBytes = (words) => new Uint8Array(Uint16Array.from(words).buffer);

/** A 2 × 2 mammogram with the given stored values; `more` replaces or adds elements. */
export function mammogram(values, more = [], options = {}) {
  const base = [
    [0x0008, 0x0016, 'UI', '1.2.840.10008.5.1.4.1.1.1.2'],
    [0x0008, 0x0060, 'CS', 'MG'],
    [0x0028, 0x0002, 'US', 1],
    [0x0028, 0x0004, 'CS', 'MONOCHROME2'],
    [0x0028, 0x0010, 'US', 2],
    [0x0028, 0x0011, 'US', 2],
    [0x0028, 0x0100, 'US', 16],
    [0x0028, 0x0101, 'US', 12],
    [0x0028, 0x0103, 'US', 0],
    [0x7fe0, 0x0010, 'OW', values instanceof Uint8Array ? values : wordBytes(values)],
  ];
  const key = ([group, number]) => `${group},${number}`;
  const replaced = new Set(more.map(key));
  return dicomBytes([...base.filter((one) => !replaced.has(key(one))), ...more], options);
}

/** A JPEG Lossless (process 14, selection value 1) frame of 12 rows × 16 columns, stored value = 100 · row + 7 · column. */
export const losslessGradient = Uint8Array.from(
  atob(
    '/9j/wwALEAAMABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAwcQ/9oACAEBAAEAAM7u7u7u7u7vZHd3d3d3d3d7I7u7u7u7u7vZHd3d3d3d3d7I7u7u7u7u7vZHd3d3d3d3d7I7u7u7u7u7vZHd3d3d3d3d7I7u7u7u7u7vZHd3d3d3d3d7I7u7u7u7u7vZHd3d3d3d3d//2Q==',
  ),
  (letter) => letter.charCodeAt(0),
);
