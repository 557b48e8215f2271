/** What jsdom lacks and the viewer needs: observers, images that load, a canvas that remembers what was drawn, a server without priors. */

/** → the list that every drawImage adds its picture to. */
export function browserStub() {
  const drawn = [];
  class Observer {
    observe() {}
    unobserve() {}
    disconnect() {}
  }
  class Picture {
    complete = true;
    naturalWidth = 10;
    addEventListener() {}
  }
  const context = new Proxy(
    { drawImage: (picture) => drawn.push(picture) },
    { get: (known, name) => known[name] ?? (() => {}), set: () => true },
  );
  vi.stubGlobal('ResizeObserver', Observer);
  vi.stubGlobal('IntersectionObserver', Observer);
  vi.stubGlobal('Image', Picture);
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(context);
  vi.stubGlobal(
    'fetch',
    async () => new Response('{"results": []}', { headers: { 'Content-Type': 'application/json' } }),
  );
  return drawn;
}
