/**
 * Builds nodes. Text is always text: nothing here parses markup, so what the server or a file says cannot become an element.
 * Not a framework: no state, no diffing.
 */
const svgNamespace = 'http://www.w3.org/2000/svg';

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === 'dataset') Object.assign(node.dataset, value);
    else if (name === 'style')
      throw new TypeError('style attributes are refused by the Content-Security-Policy; use styleSet');
    else if (value === true) node.setAttribute(name, '');
    else node.setAttribute(name === 'className' ? 'class' : name, String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

export const svg = (tag, properties, ...children) =>
  fill(document.createElementNS(svgNamespace, tag), properties, children);

/** Sets styles through the CSSOM, which the Content-Security-Policy allows, unlike the attribute. */
export function styleSet(node, declarations) {
  for (const [name, value] of Object.entries(declarations)) node.style.setProperty(name, String(value));
  return node;
}

export const byId = (id) => document.getElementById(id);

export const visuallyHidden = (text) => h('span', { className: 'visually-hidden' }, text);

/** Sets the text only when it differs, so that live regions announce changes and nothing else. */
export function textSet(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
