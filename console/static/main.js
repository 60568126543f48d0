// Starts the parts of the page. Each module keeps its state to itself and is given the functions of the others that it
// needs. Every page also works without script, one page per step.
import { startAlarms } from "./alarms.js";
import { startAnswer } from "./answer.js";
import { startCountdown } from "./countdown.js";
import { startDesk } from "./desk.js";
import { startDialogs } from "./dialogs.js";
import { startDrafts } from "./drafts.js";
import { startFind } from "./find.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startMarks } from "./marks.js";
import { startNotices } from "./notices.js";
import { startQuick } from "./quick.js";
import { startRecipients } from "./recipients.js";
import { startRules } from "./rules.js";
import { startSaving } from "./saved.js";
import { startSelection } from "./selection.js";
import { startSetup } from "./setup.js";
import { startUpload } from "./upload.js";

// Times are shown in the browser's zone unless the person chose another one in their account.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const secure = location.protocol === "https:" ? "; secure" : "";
document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;

startCountdown();
startSelection();
startRecipients();
const { lettersOff } = startKeys();
const { seek } = startMarks();
const { showError } = startNotices();
const { connect } = startLive({ showError });
startDialogs({ reconnect: connect });
const { noteKnown } = startDrafts({ showError });
startAnswer();
startQuick();
startRules();
startSaving({ noteKnown });
startUpload({ showError });
startDesk({ connect, showError, lettersOff });
startFind({ seek });
startAlarms();
startSetup();
