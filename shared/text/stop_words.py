"""Words that say nothing about the topic of a text, in the languages of most texts. Only names of groups use them."""

_ENGLISH = """
a about above after again against all also am an and any are as at be because been before being below between both but by
can cannot could did do does doing done down during each else ever every few for from further get gets getting give go
goes going got had has have having he hello help her here hers hi him his how i if in into is isn it its itself just know
let like ll make many may me might more most much must my myself need no nor not now of off on once one only or other our
ours out over own please re really s same say see she should since so some still such t take tell than thank thanks that
the their them then there these they this those through to too try tried trying two under until up us use used using very
ve want wants was way we were what when where whether which while who whom whose why will with won would yes yet you your
yours don doesn didn can't cannot couldn isn't don't doesn't didn't i'm i've i'd it's won't wasn't haven't hasn't aren't
what's there's that's dear regards sincerely cheers hey today yesterday
"""
_FRENCH = """
à ai ainsi alors après as au aucun aussi autre aux avait avant avec avez avoir avons bien bonjour bonsoir car ce cela ces
cet cette ceux chez ci comme comment cordialement dans de depuis des deux dire dois donc dont du elle elles en encore
entre es est et étaient était été être eu eux faire fait faut fois ici il ils j je jusque l la le les leur leurs lors lui
m ma madame mais me même mes merci moi mon monsieur n ne ni non nos notre nous on ont ou où par parce pas peu peut peux
plus pour pourquoi pouvez puis qu quand que quel quelle quelles quels qui quoi s sa sans se ses si son sont sous suis sur
t ta te tes toi ton toujours tous tout toute toutes très tu un une va vais veux voici voilà vos votre vous y c'est j'ai
n'est
"""
_GERMAN = """
aber alle allem allen aller alles als also am an ander andere anderen auch auf aus bei bekomme bin bis bitte bist da dabei
dadurch dafür damit danke dann darum das dass dein deine dem den denn der des deshalb dich die dies diese diesem diesen
dieser dieses dir doch dort du durch ein eine einem einen einer eines einfach er es etwas euch euer eure für gab geht
gegen gibt grüße grüßen guten hab habe haben hallo hat hatte hätte hier hin ich ihm ihn ihnen ihr ihre ihrem ihren im
immer in ins ist ja jede jeder jetzt kann kannst kein keine keinen können könnte liebe lieber mal man mehr mein meine
meinem meinen meiner mich mir mit muss nach nein nicht nichts noch nun nur ob oder ohne schon sehr sein seine seit sich
sie sind so soll sondern tag um und uns unser unsere unter viel viele vom von vor wann war waren warum was weil weiter
wenn wer werde werden wie wieder will wir wird wo wurde würde zu zum zur zwischen
"""
_SPANISH = """
a al algo algunos alguna ante antes aquí así aun aunque buenas buenos cada como cómo con contra cual cuál cuando cuándo de
del desde días donde dónde dos durante e el él ella ellas ellos en entre era eran es esa ese eso esos esta está están
estar estas este esto estos estoy fue fui gracias ha haber había han hasta hay he hola la las le les lo los más me mi mí
mis mucho muy nada ni no nos nosotros o os otra otro para pero poco por porque puede puedo que qué quien quién quiero
saludos se sea ser si sí sido sin sobre son soy su sus también tanto te tengo tiene todo todos tu tus un una uno unos
usted ustedes y ya yo
"""
_ITALIAN = """
a ad ai al alla alle allo anche ancora avere aveva buongiorno buonasera che chi ci ciao col come con contro cosa così cui
da dal dalla dalle dallo degli dei del della delle dello di dove due e è ed era erano essere fa fare fatto fino fra gli
grazie ha hai hanno ho i il in io l la le lei lo loro lui ma mi mia mie miei mio molto ne nei nel nella nelle nello no noi
non nostra nostro o ogni per perché più poi posso può qual quale quando quella quelle quello questa queste questi questo
qui saluti se sei si sì sia siamo sono su sua sue sul sulla suo te ti tra tu tua tuo tutti tutto un una uno vi voglio voi
vorrei
"""
_PORTUGUESE = """
a ao aos até as bom boa com como da das de dela dele depois do dos e é ela elas ele eles em entre era essa esse esta está
estão este eu foi há isso isto já lhe mais mas me mesmo meu meus minha minhas muito na não nas nem no nos nossa nosso num
numa o obrigada obrigado olá os ou para pela pelo pode por porque posso qual quando que quem quero se sem ser seu seus sou
sua suas são também te tem tenho ter teve tu tua tudo um uma você vocês à às
"""
_DUTCH = """
aan al alles als altijd bedankt ben bij daar dan dat de deze die dit doen door dus een en er ga geen goed goedemorgen
groet haar had hallo heb hebben heeft hem het hier hij hoe hun ik in is ja je jij jullie kan kon kunnen kunt maar me meer
men met mijn moet mij na naar niet niets nog nu of om omdat ons onze ook op over te toch toen tot u uit uw van veel voor
waar waarom want waren was wat we wel werd wie wil worden wordt zal ze zich zij zijn zo zonder zou
"""
STOP_WORDS = frozenset(f"{_ENGLISH}{_FRENCH}{_GERMAN}{_SPANISH}{_ITALIAN}{_PORTUGUESE}{_DUTCH}".split())
"""Words in lower case of seven languages together: texts are short, and their language is often not known for sure."""
