/** The integrator's guide around its text, and the links that lead there. */
export const enGuide = {
  guide: {
    heading: 'Guide for integrators',
    lead: 'How your own programs talk to this platform: in five minutes, in full, and every failure code with what to do.',
    contents: 'Contents of the guide',
    copy: 'Copy the example',
    receiver: 'How a receiver checks it',
    means: 'What this means',
  },
};
