/** What a file is, by its first bytes. File names and the browser's type are not believed. */
const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const jpeg = [0xff, 0xd8, 0xff];

const startsWith = (bytes, signature, offset = 0) => signature.every((value, index) => bytes[offset + index] === value);

/** `bytes`: the first 132 or more. → 'dicom' | 'png' | 'jpeg' | null. */
export function mediaSniff(bytes) {
  if (startsWith(bytes, png)) return 'png';
  if (startsWith(bytes, jpeg)) return 'jpeg';
  if (startsWith(bytes, [0x44, 0x49, 0x43, 0x4d], 128)) return 'dicom';
  // Without a preamble a data set begins with group 0002 or 0008 and, in both encodings, a small element number.
  const group = bytes[0] | (bytes[1] << 8);
  const element = bytes[2] | (bytes[3] << 8);
  return bytes.length >= 8 && (group === 0x0002 || group === 0x0008) && element <= 0x0018 ? 'dicom' : null;
}

/** Width and height of a PNG from its header. The rest of the file is not read. */
export function pngSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { columns: view.getUint32(16), rows: view.getUint32(20) };
}
