// Every word of the page, in English and French; what models and the service say comes as it is.

const LANGUAGE = "council-language";

const WORDS = {
  title: ["LLM Council", "Conseil de LLM"],
  skip: ["Skip to the content", "Aller au contenu"],
  pages: ["Pages", "Pages"],
  ask: ["Ask", "Demander"],
  history: ["History", "Historique"],
  cluster: ["Cluster", "Grappe"],
  language: ["Language", "Langue"],
  docs: ["HTTP interface", "Interface HTTP"],
  health: ["Health", "État"],
  dashboard: ["Ray dashboard", "Tableau de bord Ray"],
  version: ["Version {0}", "Version {0}"],
  needsScript: ["This page needs JavaScript.", "Cette page a besoin de JavaScript."],
  // the key
  keyTitle: ["A key is needed", "Une clé est requise"],
  keyWhy: ["This council is open to the network. On PC1, ./council key new makes a key for you. It stays in this tab until you close it.",
    "Ce conseil est ouvert au réseau. Sur le PC1, ./council key new vous crée une clé. Elle reste dans cet onglet jusqu’à sa fermeture."],
  keyWrong: ["This key does not open the council, or no longer.", "Cette clé n’ouvre pas le conseil, ou ne l’ouvre plus."],
  key: ["Key", "Clé"],
  enter: ["Enter", "Entrer"],
  forget: ["Forget the key", "Oublier la clé"],
  // ask
  question: ["Your question", "Votre question"],
  questionHint: ["Ctrl + Enter asks.", "Ctrl + Entrée pour demander."],
  askCouncil: ["Ask the council", "Demander au conseil"],
  asking: ["Asking …", "Envoi …"],
  noQuestion: ["There is no question yet.", "Il n’y a pas encore de question."],
  unfit: ["Not asked: see what is marked.", "Pas envoyé : voyez ce qui est marqué."],
  seats: ["Seats", "Sièges"],
  seatsNone: ["None chosen: the council’s own choice sits.", "Aucun choisi : le conseil choisit lui-même."],
  seatNumber: ["Seat {0}", "Siège {0}"],
  addSeat: ["Add a seat", "Ajouter un siège"],
  removeSeat: ["Remove seat {0}", "Retirer le siège {0}"],
  model: ["Model", "Modèle"],
  name: ["Name", "Nom"],
  persona: ["Persona (system prompt)", "Rôle (prompt système)"],
  temperature: ["Temperature", "Température"],
  ownChoice: ["the council’s choice", "au choix du conseil"],
  notInstalled: ["not installed – ollama pull {0}", "non installé – ollama pull {0}"],
  chairman: ["Chairman", "Président"],
  mode: ["How thorough", "Rigueur"],
  own: ["as set", "selon les réglages"],
  fast: ["fast", "rapide"],
  standard: ["standard", "standard"],
  thorough: ["thorough", "approfondi"],
  ownHint: ["What COUNCIL_MODE says.", "Ce que dit COUNCIL_MODE."],
  fastHint: ["Opinions; the one that agrees most with the others is the answer.", "Des avis ; celui qui s’accorde le plus avec les autres est la réponse."],
  standardHint: ["Each reviews the others, the chairman writes, the guard compares.", "Chacun évalue les autres, le président rédige, la garde compare."],
  thoroughHint: ["Each opinion is judged alone, and may be written again.", "Chaque avis est jugé seul, et peut être réécrit."],
  pcs: ["What the PCs have", "Ce qu’ont les PC"],
  // watch
  stop: ["Stop", "Arrêter"],
  stopping: ["Stopping …", "Arrêt …"],
  askAgain: ["Ask again", "Redemander"],
  saveMd: ["Save as Markdown", "Enregistrer en Markdown"],
  saveJson: ["Save as JSON", "Enregistrer en JSON"],
  remove: ["Delete", "Supprimer"],
  removeSure: ["Delete for good?", "Supprimer définitivement ?"],
  stages: ["Stages", "Étapes"],
  pending: ["Waiting", "En attente"],
  opinions: ["Opinions", "Avis"],
  review: ["Reviews", "Évaluations"],
  revision: ["Written again", "Réécriture"],
  synthesis: ["Synthesis", "Synthèse"],
  guard: ["Guard", "Garde"],
  complete: ["Complete", "Terminé"],
  error: ["Ended without an answer", "Terminé sans réponse"],
  queue: ["Place {0} in the queue, about {1} s to wait.", "Place {0} dans la file, environ {1} s d’attente."],
  lost: ["The connection is lost; trying again …", "Connexion perdue ; nouvel essai …"],
  answer: ["Answer", "Réponse"],
  answerBy: ["By {0}.", "Par {0}."],
  answerOpinion: ["This is the opinion of {0} as it stands.", "C’est l’avis de {0} tel quel."],
  answerFallback: ["Stood in for the chairman: {0}.", "À la place du président : {0}."],
  writing: ["The chairman is writing …", "Le président rédige …"],
  sources: ["Sources", "Sources"],
  guardStands: ["The guard let the synthesis stand. Judges for it: {0}, for the best opinion: {1}, for neither: {2}.",
    "La garde maintient la synthèse. Juges pour elle : {0}, pour le meilleur avis : {1}, pour aucun : {2}."],
  guardLost: ["The guard put the best opinion in the place of the synthesis. Judges for the opinion: {1}, for the synthesis: {0}, for neither: {2}.",
    "La garde remplace la synthèse par le meilleur avis. Juges pour l’avis : {1}, pour la synthèse : {0}, pour aucun : {2}."],
  guardUnfinished: ["The deadline came before the guard had ended; the synthesis stands.", "L’échéance est venue avant la fin de la garde ; la synthèse reste."],
  guardSilent: ["The guard had no vote to count; the synthesis stands.", "La garde n’a eu aucun vote à compter ; la synthèse reste."],
  lostSynthesis: ["The synthesis that lost", "La synthèse écartée"],
  degraded: ["Something went wrong on the way:", "Quelque chose s’est mal passé :"],
  noticed: ["Notes", "Remarques"],
  waiting: ["waiting", "en attente"],
  asked: ["asked", "interrogé"],
  thinking: ["thinking …", "réfléchit …"],
  speaking: ["writing", "écrit"],
  done: ["done", "terminé"],
  absent: ["absent: {0}", "absent : {0}"],
  stoppedHere: ["stopped", "arrêté"],
  attempt: ["asked again, attempt {0}: {1}", "redemandé, essai {0} : {1}"],
  agentLost: ["{0}, or what ran for the council there, went away.", "{0}, ou ce qui y tournait pour le conseil, a disparu."],
  speed: ["{0} tokens/s", "{0} jetons/s"],
  speedAbout: ["about {0} tokens/s", "environ {0} jetons/s"],
  cut: ["cut at the output limit", "coupé à la limite de sortie"],
  reviewing: ["reviews the others …", "évalue les autres …"],
  reviewed: ["has reviewed the others", "a évalué les autres"],
  rewriting: ["writes again …", "réécrit …"],
  judging: ["compares for the guard …", "compare pour la garde …"],
  writtenAgain: ["Written again after the reviews", "Réécrit après les évaluations"],
  inItsWords: ["Its review in its own words", "Son évaluation, mot à mot"],
  whoGave: ["Who gave whom what", "Qui a noté qui"],
  whoGaveHint: ["Point at a score, or move to it with the keyboard, to read why.", "Pointez une note, ou atteignez-la au clavier, pour lire pourquoi."],
  reviewer: ["Judge", "Juge"],
  gave: ["{0} gave {1} {2} of 10", "{0} a donné à {1} {2} sur 10"],
  noReason: ["no reason given", "sans raison donnée"],
  abstains: ["abstains: {0}", "s’abstient : {0}"],
  noVote: ["no vote", "sans vote"],
  ranking: ["Ranking", "Classement"],
  place: ["Place", "Place"],
  interval: ["May be", "Peut être"],
  seat: ["Seat", "Siège"],
  meanScore: ["Mean score", "Note moyenne"],
  agreesBy: ["Agreement", "Accord"],
  voteCount: ["Votes", "Votes"],
  counted: ["{0} of {1} opinions answer {2}.", "{0} avis sur {1} répondent {2}."],
  // costs
  costs: ["What it cost", "Ce que cela a coûté"],
  tokensTitle: ["Tokens by stage and model", "Jetons par étape et modèle"],
  tokensText: ["{0} tokens. The most: {1} by {2}, {3}.", "{0} jetons. Le plus : {1} de {2}, {3}."],
  tokensTable: ["The same as a table, in tokens", "La même chose en tableau, en jetons"],
  stage: ["Stage", "Étape"],
  prompt: ["Prompt", "Prompt"],
  completion: ["Completion", "Réponse"],
  total: ["Total", "Total"],
  all: ["all", "tout"],
  tokens: ["{0} tokens", "{0} jetons"],
  waterfall: ["Where the time went", "Où le temps est passé"],
  waterfallText: ["{0} model calls in {1}. The longest: {2} in {3}, {4}.", "{0} appels de modèle en {1}. Le plus long : {2}, {3}, {4}."],
  waterfallTable: ["The same as a table, in ms", "La même chose en tableau, en ms"],
  queued: ["Queue", "File"],
  network: ["Network", "Réseau"],
  load: ["Load", "Chargement"],
  promptTime: ["Prompt", "Prompt"],
  generate: ["Generate", "Génération"],
  start: ["Start", "Début"],
  // history
  search: ["Search", "Chercher"],
  none: ["Nothing was asked yet.", "Rien n’a encore été demandé."],
  noneFound: ["No session has these words.", "Aucune session n’a ces mots."],
  more: ["Older ones", "Plus anciennes"],
  open: ["open", "en cours"],
  isDegraded: ["degraded", "dégradé"],
  removed: ["Deleted.", "Supprimé."],
  // cluster
  state: ["State", "État"],
  serving: ["serves", "en service"],
  draining: ["is being taken out", "en retrait"],
  drained: ["is taken out", "retiré"],
  unreachable: ["model server out of reach", "serveur de modèles hors d’atteinte"],
  head: ["PC1", "PC1"],
  worker: ["worker", "membre"],
  cpu: ["CPU", "CPU"],
  memory: ["Memory", "Mémoire"],
  disk: ["Disk", "Disque"],
  of: ["{0} of {1}", "{0} sur {1}"],
  onDisk: ["Models on disk", "Modèles sur disque"],
  inMemory: ["Models in memory", "Modèles en mémoire"],
  noModels: ["none", "aucun"],
  callsNow: ["Calls now", "Appels en cours"],
  joinTitle: ["Another PC", "Un autre PC"],
  joinClosed: ["This council listens on this PC only. To let others in, type here:", "Ce conseil n’écoute que sur ce PC. Pour en admettre d’autres, tapez ici :"],
  joinOpen: ["Type on the other PC, in its own clone:", "Tapez sur l’autre PC, dans son clone :"],
  joinToken: ["It asks for the token, which this page does not know. ./council up --lan on PC1 prints the line with the token in it, also while the council runs; ./council token says in which file it is.",
    "Elle demande le jeton, que cette page ne connaît pas. ./council up --lan sur le PC1 affiche la ligne avec le jeton, même quand le conseil tourne ; ./council token dit dans quel fichier il est."],
  copy: ["Copy", "Copier"],
  copied: ["Copied.", "Copié."],
  onlyPc1: ["– opens on PC1 itself; it asks for the token in ~/.llm-council/ray_token.", "– s’ouvre sur le PC1 même ; il demande le jeton de ~/.llm-council/ray_token."],
  absentIn: ["{0} was absent in {1}: {2}", "{0} était absent, {1} : {2}"],
  notKnown: ["not known yet", "pas encore connu"],
  failed: ["That did not work: {0}", "Cela n’a pas marché : {0}"],
  noService: ["The council cannot be reached.", "Le conseil est injoignable."],
  loading: ["Loading …", "Chargement …"],
  gone: ["There is nothing here.", "Il n’y a rien ici."],
};

const LANGUAGES = ["en", "fr"];
let index = Math.max(0, LANGUAGES.indexOf(localStorage.getItem(LANGUAGE) || navigator.language.slice(0, 2).toLowerCase()));

export const language = () => LANGUAGES[index];

export function choose(wanted) {
  index = Math.max(0, LANGUAGES.indexOf(wanted));
  localStorage.setItem(LANGUAGE, wanted);
}

/** The words of that name, with `{0}`, `{1}` … filled in. */
export function say(name, ...values) {
  const words = WORDS[name];
  if (!words) return name;
  return words[index].replace(/\{(\d)\}/g, (_, place) => String(values[Number(place)] ?? ""));
}

export const number = (value, digits = 0) => new Intl.NumberFormat(language(), { maximumFractionDigits: digits }).format(value);
/** The reader's own kind of the language, such as en-GB, where the browser says it. */
const locale = () => navigator.languages.find((one) => one.startsWith(language())) ?? language();
export const moment = (text) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
export const seconds = (ms) => (ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000, 1)} s`);

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = count > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(count) / 3)) : 0;
  return `${number(count / 1000 ** step, step > 2 ? 1 : 0)} ${units[step]}`;
}
