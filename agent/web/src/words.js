// What each state of a console is called, and what comes after it.

// Codes of close frames: 4000 and the reason; 4000 and an HTTP status where it was refused.
export const CODES = {
  ended: 4000, shutDown: 4001, rebooted: 4002, moved: 4003, off: 4004, restarts: 4005, idle: 4006,
  unauthorised: 4401, forbidden: 4403, none: 4404, failed: 4500, limit: 4503,
}

// Words for a close, and whether to come again: 'soon', 'later' or 'never' by itself.
export function closing(name, code, reason) {
  const time = new Date().toLocaleTimeString()
  switch (code) {
    case CODES.shutDown: return { words: `${name} shut down at ${time}. It opens here when it starts.`, again: 'later' }
    case CODES.rebooted: return { words: `${name} rebooted at ${time}. Opening the new console...`, again: 'soon' }
    case CODES.moved: return { words: `${name} goes on as another domain. Opening it...`, again: 'soon' }
    case CODES.restarts: return { words: `The screen service of ${name} restarts. Reconnecting...`, again: 'soon' }
    case CODES.off: return { words: `The console of ${name} was switched off here.`, again: 'later' }
    case CODES.idle: return { words: `Closed at ${time}: nothing was typed for too long.`, again: 'never', action: 'Open again' }
    case CODES.unauthorised: return { words: 'Your login has ended.', again: 'never', expired: true }
    case CODES.forbidden: return { words: `You may not open this console: ${reason}.`, again: 'never', action: 'Try again' }
    case CODES.none: return { words: `${capital(reason)}.`, again: 'later' }
    case CODES.limit: return { words: `${capital(reason)}. It opens here when there is a place.`, again: 'later' }
    case CODES.failed: return { words: `${capital(reason)}. Trying again...`, again: 'later' }
    case CODES.ended: return { words: `The console of ${name} ended. Reconnecting...`, again: 'soon' }
    default: return { words: 'No connection to the host. Your typing is NOT being sent. Trying again...', again: 'soon' }
  }
}

function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : 'It could not be opened'
}
