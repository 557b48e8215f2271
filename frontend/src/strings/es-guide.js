/** The strings of en-guide.js in Spanish. */
export const esGuide = {
  guide: {
    heading: 'Guía para integradores',
    lead: 'Cómo hablan sus propios programas con esta plataforma: en cinco minutos, al completo, y cada código de error con lo que hay que hacer. El texto está en inglés.',
    contents: 'Índice de la guía',
    copy: 'Copiar el ejemplo',
    receiver: 'Cómo lo comprueba un receptor',
    means: 'Qué significa',
  },
};
