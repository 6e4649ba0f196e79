// What the service says in English, for readers of another language: by its codes, which stay. A code
// that has no words here is told as the service words it.

import { CHAIRMAN, nameOf } from "./hearing.js";
import { language, number, say, typeset } from "./words.js";

/** Requests that were refused; {0} = the model that is missing, {1} = seconds. What stands in brackets
 * is left out, here and below, where there is no such value: sessions of old have none. */
const PROBLEMS = {
  invalid_request: "Un champ de la demande n’est pas valable.",
  malformed_body: "La demande n’est pas du JSON valable.",
  body_too_large: "La demande est trop grande.",
  unauthorized: "Une clé est requise.",
  too_many_attempts: "Trop d’essais avec une mauvaise clé ; attendez un peu.",
  foreign_host: "Le conseil ne répond pas sous ce nom d’hôte.",
  foreign_origin: "Le conseil ne répond pas aux pages d’autres sites.",
  model_not_available: "Aucun PC n’a de modèle qui convienne[ : {0} manque]. « ollama pull[ {0}] » sur un PC en installe un.",
  session_not_found: "Il n’y a pas de session de ce nom.",
  node_not_found: "Il n’y a pas de PC de ce nom.",
  session_finished: "La session est déjà terminée.",
  session_running: "La session est encore en cours ; arrêtez-la d’abord.",
  queue_full: "Trop de questions attendent ; réessayez[ dans {1} s].",
  unavailable: "Indisponible pour l’instant ; réessayez.",
  store_unavailable: "Le dépôt des sessions n’est pas accessible en écriture ; sur le PC1, ./council doctor dit pourquoi.",
  superseded: "Le conseil vient de changer de main ; réessayez.",
  no_model_server: "Aucun PC n’offre de modèle en ce moment. ./council status dit si Ollama y tourne ; « ollama pull qwen2.5:0.5b » installe un modèle.",
  council_unavailable: "Le conseil ne répond pas ; réessayez.",
  not_found: "Il n’y a rien à cette adresse.",
  internal: "Une erreur est survenue de notre côté ; le journal du service en dit plus.",
};

/** Model calls that failed. */
const CALLS = {
  node_unreachable: "le serveur de modèles est injoignable",
  node_gone: "le PC qui a ce modèle a quitté la grappe",
  model_not_available: "le serveur de modèles n’a pas ce modèle",
  server_busy: "le serveur de modèles est occupé",
  timeout: "le serveur de modèles a mis trop de temps",
  model_load_failed: "le modèle n’a pas pu être chargé",
  model_crashed: "le modèle s’est arrêté en pleine réponse",
  truncated_stream: "la réponse s’est interrompue avant sa fin",
  context_overflow: "la question est plus longue que le contexte du modèle ; raccourcissez-la ou augmentez COUNCIL_NUM_CTX",
  empty_answer: "le modèle n’a rien répondu",
  runaway_output: "le modèle a écrit des blancs sans fin",
  model_not_usable: "ce modèle ne convient pas à cela",
  bad_call: "le serveur de modèles n’a pas compris l’appel",
  node_refused: "le serveur de modèles a refusé l’appel",
  not_ollama: "autre chose qu’Ollama répond là",
  agent_lost: "l’agent ou son PC a disparu",
  model_call_failed: "l’appel du modèle a échoué",
  cancelled: "l’appel a été annulé",
  deadline: "l’échéance est passée",
};

/** What the reader should know of a session; {0} = the seat or the chairman, {1} … what it names. */
const NOTICES = {
  truncated: "{0} : coupé à la limite de sortie ; le texte finit en pleine phrase.",
  abstention: "{0} : son bulletin n’a pas pu être lu et ne compte pas.",
  no_valid_reviews: "Aucun bulletin n’a pu être lu : les avis ne sont pas classés, le président les a pesés sans classement.",
  first_is_certain: "Le premier est certain ; aucun bulletin n’y changerait rien. Les autres n’ont pas été attendus[ : {1}].",
  waiting_for_pc: "[{1} avis sur {2} sont là. ]Un PC[ qui a {3}] a quitté la grappe ; le conseil l’attend jusqu’à l’échéance.",
  pc_returned: "{0} : un PC a de nouveau son modèle[, {1}] ; la question lui est reposée.",
  context_trimmed: "Les réponses[ de {1}] ont été raccourcies en leur milieu pour tenir dans le contexte du modèle ; augmentez COUNCIL_NUM_CTX pour l’éviter.",
  earlier_trimmed: "La conversation est plus longue que sa part du contexte : son début a été raccourci ou omis. Augmentez COUNCIL_NUM_CTX pour l’éviter.",
  chairman_failed_best_agent_model_stood_in: "Le modèle du président[, {1},] n’a rien répondu ; celui du meilleur avis[, {2},] l’a remplacé.",
  chairman_failed_best_opinion_stands: "Aucun président n’a répondu[ (modèle : {1})] ; le meilleur avis[, celui de {2},] tient lieu de réponse.",
};

/** What there is to say of a ranking; {0} = the seats, {1} and {2} = numbers. */
const REMARKS = {
  first: "Juges qui placent {0} en tête : {1} sur {2}",
  shared_first: "{0} se partagent la première place",
  uncompared_first: "{0} est en tête par sa note moyenne : aucun bulletin ne le compare à un autre",
  hardly_agree: "les juges ne s’accordent guère",
  close: "entre les deux premiers, rien n’est tranché",
  alike: "les {1} bulletins se ressemblent tant qu’ils pourraient ne peser que {2}",
};

/** Why a ballot, or a line of it, does not count; {0} = the response's label, {1} = what it was given. */
const REJECTIONS = {
  empty: "l’évaluation est vide",
  no_ballot: "il n’y a pas de bulletin dans l’évaluation",
  no_object: "une ligne n’est pas un objet",
  no_response: "une ligne ne dit pas quelle réponse elle juge",
  unknown_response: "réponse inconnue {0}",
  own_response: "réponse {0} : un vote pour soi-même",
  no_score: "réponse {0} : sans note",
  nested_score: "réponse {0} : la note est une liste ou un objet",
  no_number: "réponse {0} : la note {1} n’est pas un nombre",
  other_scale: "réponse {0} : la note {1} n’est pas sur 10",
  no_whole_number: "réponse {0} : la note {1} n’est pas un nombre entier",
  out_of_range: "réponse {0} : la note {1} n’est pas entre 1 et 10",
  contradiction: "réponse {0} : jugée plusieurs fois, de façon différente ({1})",
  more: "et {0} de plus",
};

/** What a PC's owner should know of its model server. */
const CAUTIONS = {
  old_version: "Ollama {0} est antérieur à {1} et peut révéler le contenu de la mémoire à qui l’atteint : mettez-le à jour.",
};

/** Fields that are not valid, by pydantic's type, or by our own reason; {0} = the bound. */
const FIELDS = {
  less_than_equal: "Au plus {0}.",
  greater_than_equal: "Au moins {0}.",
  greater_than: "Plus de {0}.",
  string_too_long: "Trop long : au plus {0} caractères.",
  string_too_short: "Ne peut rester vide.",
  too_short: "Au moins {0}.",
  missing: "Manque.",
  finite_number: "Doit être un nombre.",
  float_type: "Doit être un nombre.",
  number_type: "Doit être un nombre.",
  int_type: "Doit être un nombre entier.",
  int_from_float: "Doit être un nombre entier.",
  bool_type: "Doit être vrai ou faux.",
  string_type: "Doit être un texte.",
  string_unicode: "Contient un caractère qui ne peut être écrit.",
  string_pattern_mismatch: "Pas de cette forme.",
  literal_error: "Ce choix n’existe pas.",
  extra_forbidden: "Ce champ n’existe pas.",
  tuple_type: "Doit être une liste.",
  model_attributes_type: "Doit être un objet.",
  dict_type: "Doit être un objet.",
  unwritable: "Contient un caractère qui ne peut être écrit.",
  blank: "La question est vide.",
  question_too_long: "La question est trop longue : au plus {0} caractères.",
  too_long: "Trop : au plus {0}.",
  too_many: "Trop de sièges : au plus {0}.",
  no_answer: "La session à suivre n’a pas de réponse ; reposez sa question.",
  no_session: "La session à suivre n’existe pas, ou plus.",
  both_earlier: "La suite d’une session, ou d’une conversation : pas les deux.",
};

/** How a session ended that has no answer: short, the notes tell the rest. */
const ENDS = { no_opinions: "endNoOpinions", no_quorum: "endNoQuorum", deadline: "endDeadline", cancelled: "endCancelled" };

const PLACE = /\{(\d)\}/g;

function inWords(words, code, detail, ...values) {
  if (language() === "en" || !Object.hasOwn(words, code)) return detail;
  const known = ([, place]) => values[Number(place)] !== undefined;
  return typeset(words[code])
    .replace(/\[(.*?)\]/g, (_, part) => ([...part.matchAll(PLACE)].every(known) ? part : ""))
    .replace(PLACE, (_, place) => String(values[Number(place)] ?? ""));
}

export function problemText({ code, detail, values = [], retry_after_s: seconds }) {
  return inWords(PROBLEMS, code, detail, values[0], seconds && number(Math.ceil(seconds)));
}

export const rejectionText = (rejection, detail) => inWords(REJECTIONS, rejection?.code, detail, ...(rejection?.values ?? []));
export const cautionText = (caution, detail) => inWords(CAUTIONS, caution?.code, detail, ...(caution?.values ?? []));
export const callText = (code, detail) => inWords(CALLS, code, detail);
export const endText = (closed) => (Object.hasOwn(ENDS, closed.error_code) ? say(ENDS[closed.error_code]) : closed.error);

/** What is wrong with a field. */
export function fieldText({ type, reason, ctx, msg }) {
  const bound = Object.values(ctx ?? {})[0];
  return inWords(FIELDS, reason ?? type, msg, bound === undefined ? undefined : number(bound, 2));
}

export function absenceText(hearing, { agent_id, stage, code, detail }) {
  const who = agent_id === CHAIRMAN ? say("chairman") : nameOf(hearing, agent_id);
  return say("absentIn", who, say(stage), callText(code, detail));
}

/** The sentence about how far the judges agree. Sessions of old have no remarks. */
export function agreementText(hearing, { remarks, sentence }) {
  if (language() === "en" || !remarks?.length) return sentence;
  const list = new Intl.ListFormat(language());
  const told = remarks.map(({ code, agent_ids, counts }) =>
    inWords(REMARKS, code, code, list.format(agent_ids.map((id) => nameOf(hearing, id))), ...counts.map((count) => number(count, 1))));
  return `${told.join(say("and"))}.`;
}

/** A notice of a session; one that tells of an absence has the absence's code. */
export function noticeText(hearing, { code, detail, values = [], agent_id }) {
  if (language() === "en") return detail;
  const absence = hearing.absences.find((one) => one.agent_id === agent_id && one.code === code && detail.endsWith(one.detail));
  if (absence) return absenceText(hearing, absence);
  const who = agent_id === CHAIRMAN ? say("chairman") : agent_id ? nameOf(hearing, agent_id) : "";
  return inWords(NOTICES, code, detail, who, ...values);
}
