/**
 * What one person has done and wants of the first steps, kept in this browser: { dismissed, opened }.
 *
 * Not on the server: it is about what a person has looked at, which is nobody else's business, and a forgotten note costs one more
 * look at a panel. Everything else of the first steps is asked of the server. Without storage the notes last as long as the page.
 */
const keyOf = (username) => `mammoserve.first-steps.${username}`;
const unstored = new Map();

export function notesRead(username) {
  try {
    return { ...JSON.parse(localStorage.getItem(keyOf(username)) ?? '{}'), ...unstored.get(username) };
  } catch {
    return unstored.get(username) ?? {};
  }
}

export function notesAdd(username, notes) {
  const all = { ...notesRead(username), ...notes };
  unstored.set(username, all);
  try {
    localStorage.setItem(keyOf(username), JSON.stringify(all));
  } catch {
    // storage refused: the notes hold for this page
  }
}
