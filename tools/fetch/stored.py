"""Annotation files in public repositories, each at one commit, with size and checksum; `tools build` reads them.

A commit never changes, and every file was looked at when its line was written.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple


class Stored(NamedTuple):
    """A file in a repository."""

    commit: str
    """Repository and commit."""
    path: str
    num_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.path).name

    @property
    def url(self) -> str:
        """The address from which it is fetched."""
        return f"https://raw.githubusercontent.com/{self.commit}/{self.path}"


_ACTIVITYNET_QA = "MILVLG/activitynet-qa/2cf80aeb4e45955e53404e1716d3b9c0b1cbd72f"
_COLLABORATIVE_EXPERTS = "albanie/collaborative-experts/7eb3b9d362ee313a78cd0a2793c3b6470f8e78f3"
_COOT_VIDEOTEXT = "gingsi/coot-videotext/14ae4ac6ae11b3a7e6c339731a1c7b9ebffa763c"
_EMCL = "jpthu17/EMCL/3af17942e8195c563e2f47af68be521100e5935f"
_HME_VIDEOQA = "fanchenyou/HME-VideoQA/66cc4ccff3113595b7a7230b1cc73063e4382e27"
_LOCALIZINGMOMENTS = "LisaAnne/LocalizingMoments/b6a555c8134581305d0ed4716fbc192860e0b88c"
_NEXT_OE = "doc-doc/NExT-OE/a83f8f581191da07675e0fc83074e0dfcf907273"
_NEXT_QA = "doc-doc/NExT-QA/6b92588ab4496268fa1caab9414a8b998ee063c5"
_PYTORCH_VIOLET = "tsujuifu/pytorch_violet/4f647511fc0499bfdb6868d3a56ec84a847f72be"
_SCHEMA = "WenliangGuo/SCHEMA/15e64be0d3fd01ee79d4a9cff976159923364d54"
_TGIF_QA = "YunseokJANG/tgif-qa/9ecbbc7cb3d08300ddb6662b3dfd651914f3183f"

STORED: dict[str, tuple[Stored, ...]] = {
    "activitynet_captions": (
        Stored(
            _COOT_VIDEOTEXT,
            "annotations/activitynet/val_1.json",
            1_910_790,
            "466aaccb9ebe45c6db4c98488a4ddbeb5b22faffe62e1bbce81222c14fc29e1c",
        ),
    ),
    "activitynet_qa": (
        Stored(
            _ACTIVITYNET_QA,
            "dataset/train_q.json",
            4_006_264,
            "a9db856c54af5870e9d24cb61bc14470f75eb31e9634e97ec0fb5a9d2b8acfc9",
        ),
        Stored(
            _ACTIVITYNET_QA,
            "dataset/train_a.json",
            2_151_424,
            "f7df4103d38939ac8fd7fbcf316cf3c13f5fab9de0c76eb10c9b772ec7aa6566",
        ),
        Stored(
            _ACTIVITYNET_QA,
            "dataset/val_q.json",
            2_250_891,
            "810299378d673bc93e88c507729c8268a1d84c985272f2ef0b7d9fb2bc89beb7",
        ),
        Stored(
            _ACTIVITYNET_QA,
            "dataset/val_a.json",
            1_210_917,
            "b388623af61ba18692e597a1441710f95c87aefb93a491c43e96a4ab9a61e2a9",
        ),
        Stored(
            _ACTIVITYNET_QA,
            "dataset/test_q.json",
            999_298,
            "54d729564c3dfa0e795217f4df6023f7e43197fbb2b1fa4fd943ca65bee7eab8",
        ),
        Stored(
            _ACTIVITYNET_QA,
            "dataset/test_a.json",
            540_738,
            "f8fffa0fd6d8dbdb788310c16fe7e6da0aa23758d811cc77b65060436acf97e5",
        ),
    ),
    "crosstask": (
        Stored(
            _SCHEMA,
            "dataset/crosstask/crosstask_release/videos.csv",
            292_534,
            "3b19a591e0b04355fc06822c622946563349e982e40d2589b5f6626134f908e4",
        ),
        Stored(
            _SCHEMA,
            "dataset/crosstask/crosstask_release/videos_val.csv",
            22_400,
            "9365343991f8dec9c2891cc72bae82212a45aa885fce17e323c2407a32b891c0",
        ),
        Stored(
            _SCHEMA,
            "dataset/crosstask/crosstask_release/tasks_primary.txt",
            3_041,
            "052a07ac4327f5dacf69e8e39b05d0ba7a40260d34b141c7973ff750933561b0",
        ),
        Stored(
            _SCHEMA,
            "dataset/crosstask/crosstask_release/tasks_related.txt",
            14_205,
            "312ed5308214e1fbed41f40114dea95157ed54170571ff82143eb6ba3ecd262d",
        ),
    ),
    "didemo": (
        Stored(
            _LOCALIZINGMOMENTS,
            "data/val_data.json",
            1_111_448,
            "b0364cc256553332feb19d46bcc4cd2b09774949fe6c0b25e7ed0ff3c6aefebb",
        ),
        Stored(
            _LOCALIZINGMOMENTS,
            "data/test_data.json",
            1_068_934,
            "1891c04ec48b3d364c739594b2b6413806b74bd9027c092d896e7ebb930ff1cd",
        ),
    ),
    "msrvtt": (
        Stored(
            _EMCL,
            "video_retrieval/EMCL-Net/data/MSR-VTT/anns/MSRVTT_train.9k.csv",
            88_899,
            "0a7ece2418e1f7ac5680555a04ddfef8950293ac3c4bdd6584fb0fa6cc0ff7d3",
        ),
        Stored(
            _EMCL,
            "video_retrieval/As_an_inference_module/data/msrvtt_data/MSRVTT_train.7k.csv",
            68_999,
            "ca0d04c34310168b620c90c67eaec702b37398943965f5e1f9f44af8f193da7d",
        ),
        Stored(
            _EMCL,
            "video_retrieval/EMCL-Net/data/MSR-VTT/anns/MSRVTT_JSFUSION_test.csv",
            74_475,
            "e61144b312c8a2fc2126f96504c981f8c23c05b3ba9655a56e2af50ac8a4b16a",
        ),
    ),
    "msrvtt_qa": (
        Stored(
            _EMCL,
            "video_question_answering/data/MSRVTT/val.jsonl",
            1_477_858,
            "fa0d437aac7a0c0b3518c542530baff1516f39c7505e2a82a6748b369252b64b",
        ),
    ),
    "msvd": (
        Stored(
            _COLLABORATIVE_EXPERTS,
            "misc/datasets/msvd/train_list.txt",
            21_852,
            "223a750f33fcec3c5fcb1894123564e67286edd1e9f9473be97930340027d659",
        ),
        Stored(
            _COLLABORATIVE_EXPERTS,
            "misc/datasets/msvd/test_list.txt",
            12_186,
            "95eacd1fddb1d88cd7144267913ef02d0ecb8cc94a88bc484035433a2d8f9c7a",
        ),
    ),
    "msvd_qa": (
        Stored(
            _HME_VIDEOQA,
            "msvd-qa/data/msvd_qa/train_qa.json",
            2_796_877,
            "c7f2a10b6b852fb72ddf556363e211cfd6896c7f8152e77a030356a7f3aaeed9",
        ),
        Stored(
            _HME_VIDEOQA,
            "msvd-qa/data/msvd_qa/val_qa.json",
            589_716,
            "ea312053d521bb3e518fca33ea2f0c5059f65210e723fa5cd072c0aeb737d5fc",
        ),
        Stored(
            _HME_VIDEOQA,
            "msvd-qa/data/msvd_qa/test_qa.json",
            1_207_141,
            "61b02e89ab49e9ec442f9be234d016e65a76bb9e4fb9a2b0eef7d7ac0af575f0",
        ),
    ),
    "nextqa": (
        Stored(
            _NEXT_QA,
            "dataset/nextqa/val.csv",
            814_107,
            "43198bdef8436b8d64a9b75d846b0987c10cbf94ebf4be325c4a4e54634d66b8",
        ),
        Stored(
            _NEXT_QA,
            "dataset/nextqa/test.csv",
            1_385_657,
            "cdf46de237b3b3b846ff0209ae1394ad559791b5a0de0bb8c78648f74da83542",
        ),
        Stored(
            _NEXT_QA,
            "dataset/nextqa/map_vid_vidorID.json",
            331_540,
            "1955d89e7a175346faf8d4a582297ff349619231394f59fd7872f459ac8a8685",
        ),
    ),
    "nextqa_oe": (
        Stored(
            _NEXT_OE,
            "dataset/nextqa/train.csv",
            3_729_576,
            "5e20b082a8a30bcd173533f1238c5dcaf7d784f14da89d86be2cc3dd1a9ab150",
        ),
        Stored(
            _NEXT_OE,
            "dataset/nextqa/val.csv",
            528_915,
            "5f2ca097b85ec571a6e73442d0a6faea19c15dfa54cf5a26434eac90a8ef41c5",
        ),
        Stored(
            _NEXT_OE,
            "dataset/nextqa/test.csv",
            899_595,
            "d9aa6022d66ab9bde814911cf357a2dd76a0fbabef16aa74752389d63817e522",
        ),
        Stored(
            _NEXT_OE,
            "dataset/nextqa/add_reference_answer_test.json",
            166_056,
            "3418ace242446b53292a3b4bd635bcb9dd3255d6f59852c228d5f564d4d277dd",
        ),
    ),
    "tgif_qa": (
        Stored(
            _TGIF_QA,
            "dataset/Train_action_question.csv",
            2_926_933,
            "72ad4bb43639936dc918babe64ba71c93dc1cfe8f44683798461b682fc542bb0",
        ),
        Stored(
            _TGIF_QA,
            "dataset/Test_action_question.csv",
            327_773,
            "d5f023e0455225e882c46cf3c6b1248ec8d0e064204f4a78280129582a1f8aef",
        ),
        Stored(
            _TGIF_QA,
            "dataset/Train_count_question.csv",
            2_557_769,
            "4f5aeab06524dd79f7b8b3f49c3458cd8471c4be52aebb5821c2df78f3eb9d38",
        ),
        Stored(
            _TGIF_QA,
            "dataset/Test_count_question.csv",
            342_784,
            "26bc6f83aa391b15e5a21b15cdb0786f0e9109dd081ea5a7e4ac656cc8168d27",
        ),
        Stored(
            _TGIF_QA,
            "dataset/Test_frameqa_question.csv",
            2_169_590,
            "b7998e8ca0e06ba3f94b65ebda94c6fa1a8b8ba27226903ca53d413d2dfa40cd",
        ),
        Stored(
            _TGIF_QA,
            "dataset/Test_transition_question.csv",
            1_003_560,
            "9dc0554dca97776ed04acfe55d65913b6dd9096d083fd3a4981751f863edcb6a",
        ),
    ),
    "webvid": (
        Stored(
            _PYTORCH_VIOLET,
            "_data/txt_webvid2.5m.json",
            47_047,
            "aa1024dfd69ea4b53dc56ca9c0ccdeca6899fce51cde801e5a2119551184c6d8",
        ),
    ),
    "youcook2": (
        Stored(
            _COOT_VIDEOTEXT,
            "annotations/youcook2/youcookii_annotations_trainval.json",
            1_575_867,
            "6be6f3cdcf4448b4bdef27a869fadddfddeb9b20249d55558afabe354b246e80",
        ),
    ),
}
"""By dataset."""
