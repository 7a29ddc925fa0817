// Which words does the page use? Japanese or English, as the browser prefers.

const ENGLISH = {
  title: "Live Agent simulator",
  your_name: "Your name",
  chats: "Chats",
  waiting: "Waiting",
  open: "Open",
  nobody_waits: "Nobody is waiting.",
  none_open: "No chat is open.",
  choose: "Choose a chat on the left.",
  back: "Back to the list",
  accept: "Accept",
  end: "End",
  transcript: "Transcript",
  message: "Message",
  placeholder: "Write a message",
  send: "Send",
  over: "This chat is over",
  no_name: "No name",
  no_words: "Nothing said yet",
  new_words: "New message",
  unreachable: "The simulator does not answer. Trying again…",
};

const JAPANESE = {
  title: "Live Agent シミュレーター",
  your_name: "担当者名",
  chats: "チャット",
  waiting: "待機中",
  open: "対応中",
  nobody_waits: "待機中のお客様はいません。",
  none_open: "対応中のチャットはありません。",
  choose: "一覧からチャットを選んでください。",
  back: "一覧へ戻る",
  accept: "応答する",
  end: "終了する",
  transcript: "会話",
  message: "メッセージ",
  placeholder: "メッセージを入力",
  send: "送信",
  over: "このチャットは終了しました",
  no_name: "名前なし",
  no_words: "まだ発言はありません",
  new_words: "新しいメッセージ",
  unreachable: "シミュレーターが応答しません。再接続しています…",
};

const isJapanese = navigator.language.toLowerCase().startsWith("ja");

export const words = isJapanese ? JAPANESE : ENGLISH;

export function label(root) {
  document.documentElement.lang = isJapanese ? "ja" : "en";
  document.title = words.title;
  for (const it of root.querySelectorAll("[data-word]")) it.textContent = words[it.dataset.word];
  for (const it of root.querySelectorAll("[data-label]")) it.setAttribute("aria-label", words[it.dataset.label]);
  for (const it of root.querySelectorAll("[data-placeholder]")) it.placeholder = words[it.dataset.placeholder];
}
