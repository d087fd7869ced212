"""Texts that show which numbers occur inside a model, so that eight bits can be shared out among them.

None of them is in the sample by which the result is judged.
"""

from __future__ import annotations

_SHORT = (
    "where is my order?",
    "how do I return it",
    "opening hours on Sunday",
    "cheap running shoes size 42",
    "is it waterproof?",
    "price",
    "who wrote this",
    "population of Norway in 2024",
    "fix import error after update",
    "laptop for students under 500",
    "can I pay later?",
    "symptoms of a cold",
    "translate good morning into Polish",
    "error 503 when I log in",
    "best way to store coffee beans",
    "refund not received",
)
_SENTENCES = (
    "The blender has a glass jug of 1.5 litres, four speeds and a lid that locks.",
    "She had never liked the house, yet on the day they sold it she could not stop crying.",
    "Payment is due within thirty days of the invoice date, without deduction.",
    "The bridge was closed in March 1987 after engineers had found cracks in two of its pillars.",
    "Mix the flour with the butter, add two eggs, and let the dough rest for an hour in a cool place.",
    "Side effects include headache, dry mouth and, in fewer than 1 of 1,000 people, a rash.",
    "Our support team answers on weekdays between 9:00 and 17:30; outside these hours please write to us.",
    "The second half began badly for the visitors, who lost their goalkeeper after eleven minutes.",
    "Returns are free, but the label must be printed from your account before the parcel is sent.",
    "Cotton T-shirt, slim fit, 3 colours, wash at 40 degrees, do not tumble dry.",
    "for row in rows: total += row['amount'] * (1 - row.get('discount', 0))",
    "SELECT name, COUNT(*) FROM visits WHERE day >= '2023-05-01' GROUP BY name ORDER BY 2 DESC;",
    '{"id": 90210, "status": "shipped", "tags": ["fragile", "gift"], "weight": 2.35}',
    "https://shop.example.com/p/8471?ref=mail&lang=en  |  ISBN 978-3-16-148410-0  |  +49 30 901820",
    "Re: Re: Fwd: URGENT!!! server down AGAIN... see attached log (part 2/3)",
    "So happy with this 😍😍 arrived early, works great, thx a lot!!! ⭐⭐⭐⭐⭐",
    "Der Vertrag verlängert sich um ein Jahr, wenn er nicht drei Monate vorher gekündigt wird.",
    "Le conseil municipal a voté hier soir la rénovation de l'école primaire.",
    "La batería dura unas doce horas y se carga por completo en noventa minutos.",
    "Il treno per Firenze parte dal binario sette con venti minuti di ritardo.",
    "De levertijd bedraagt twee tot vier werkdagen, behalve op feestdagen.",
    "Bilet można zwrócić najpóźniej dwie godziny przed odjazdem pociągu.",
    "Ürün kutusundan eksik çıktı, değişim için ne yapmam gerekiyor?",
    "Зимняя куртка с капюшоном, размеры от 46 до 58, доставка по всей стране.",
    "Η βιβλιοθήκη θα παραμείνει κλειστή μέχρι το τέλος του μήνα.",
    "الهاتف يعمل جيدا ولكن البطارية لا تدوم طويلا.",
    "המשלוח מגיע תוך שלושה ימי עסקים.",
    "इस पुस्तक में बच्चों के लिए बीस छोटी कहानियाँ हैं।",
    "这款耳机音质很好,但是戴久了耳朵会疼。",
    "送料無料、翌日お届け。保証期間は二年です。",
    "배송이 빠르고 포장이 꼼꼼해서 만족합니다.",
    "รองเท้าคู่นี้ใส่สบาย ราคา 350 บาท",
)


def calibration() -> tuple[str, ...]:
    """Return single sentences, passages of two to sixteen of them, and texts that are hardly texts."""
    passages = (" ".join(_passage(number)) for number in range(45))
    return (*_SHORT, *_SENTENCES, *passages, "the " * 300, "7 " * 200, "- " * 50, "b", "?")


def _passage(number: int) -> list[str]:
    return [_SENTENCES[(3 * number + 5 * place) % len(_SENTENCES)] for place in range(2 + number % 15)]
