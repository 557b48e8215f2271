/**
 * A page's first question, asked before it is certain that it is the right one: the answer is on its way while the page still learns
 * who is asking and how they want to begin. Not for changes: a question may be asked for nothing.
 */

/** `ask(query, { signal, … })` answers as api.request does. Returns { begin, fetch }. */
export function headStart(ask) {
  let early = null;
  return {
    /** Asks now. */
    begin(query) {
      const stop = new AbortController();
      const answer = ask(query, { signal: stop.signal });
      answer.catch(() => {}); // told to whoever fetches it; an answer that nobody wants any more may fail
      early = { asked: JSON.stringify(query), answer, stop };
    },
    /** What was asked early where that was the same question, once; anything else is asked anew. */
    fetch(query, options) {
      const begun = early;
      early = null;
      if (!begun) return ask(query, options);
      if (begun.asked !== JSON.stringify(query)) {
        begun.stop.abort();
        return ask(query, options);
      }
      options.signal.addEventListener('abort', () => begun.stop.abort());
      return begun.answer;
    },
  };
}
