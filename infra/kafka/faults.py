"""Classifies kafka-python's errors: what an error means for the client that met it. Every class is in one of the
groups, itself or by its base (docs/decisions/0017)."""

from typing import Literal

from kafka import errors
from kafka.consumer.fetcher import RecordTooLargeError
from kafka.coordinator.base import UnjoinedGroupException
from kafka.errors import KafkaError

KafkaFault = Literal["transient", "client", "data", "ours"]

GROUPS: dict[KafkaFault, tuple[type[KafkaError], ...]] = {
    # the same client may succeed later
    "transient": (
        errors.RetriableError,
        errors.CorrelationIdError,
        UnjoinedGroupException,
        errors.UnknownError,
        errors.BrokerNotAvailableError,
        errors.StaleControllerEpochError,
        errors.StaleBrokerEpochError,
        errors.RebalanceInProgressError,
        errors.ReassignmentInProgressError,
        errors.NoReassignmentInProgressError,
        errors.LogDirNotFoundError,
        errors.QuotaViolationError,
        errors.NewLeaderElectedError,
        errors.IneligibleReplicaError,
        errors.SnapshotNotFoundError,
        errors.PositionOutOfRangeError,
        errors.OffsetMovedToTieredStorageError,
        errors.UnknownControllerIdError,
        errors.PrincipalDeserializationFailureError,
        errors.FeatureUpdateFailedError,
    ),
    # this client is of no use any more: it was fenced, evicted or refused, or its state is wrong. A new one may succeed
    "client": (
        errors.KafkaProtocolError,
        errors.IllegalStateError,
        errors.CommitFailedError,
        errors.UnknownBrokerIdError,
        errors.UnrecognizedBrokerVersion,
        errors.UnsupportedVersionError,
        errors.IncompatibleBrokerVersion,
        errors.LogTruncationError,
        errors.NoOffsetForPartitionError,
        errors.OffsetOutOfRangeError,
        errors.AuthorizationError,
        errors.SecurityDisabledError,
        errors.UnsupportedSaslMechanismError,
        errors.IllegalSaslStateError,
        errors.SaslAuthenticationFailedError,
        errors.UnacceptableCredentialError,
        errors.DelegationTokenAuthDisabledError,
        errors.DelegationTokenNotFoundError,
        errors.DelegationTokenOwnerMismatchError,
        errors.DelegationTokenRequestNotAllowedError,
        errors.DelegationTokenExpiredError,
        errors.IllegalGenerationError,
        errors.UnknownMemberIdError,
        errors.MemberIdRequiredError,
        errors.FencedInstanceIdError,
        errors.UnreleasedInstanceIdError,
        errors.FencedMemberEpochError,
        errors.StaleMemberEpochError,
        errors.FencedStateEpochError,
        errors.InconsistentGroupProtocolError,
        errors.GroupMaxSizeReachedError,
        errors.GroupIdNotFoundError,
        errors.NonEmptyGroupError,
        errors.GroupSubscribedToTopicError,
        errors.OutOfOrderSequenceNumberError,
        errors.DuplicateSequenceNumberError,
        errors.InvalidProducerEpochError,
        errors.InvalidProducerIdMappingError,
        errors.UnknownProducerIdError,
        errors.ProducerFencedError,
        errors.TransactionCoordinatorFencedError,
        errors.TransactionAbortedError,
        errors.TransactionAbortableError,
        errors.TransactionalIdNotFoundError,
        errors.InvalidTxnStateError,
        errors.InconsistentClusterIdError,
        errors.InvalidFetchRequestError,
        errors.MismatchedEndpointTypeError,
        errors.UnsupportedEndpointTypeError,
    ),
    # what was sent or read is never accepted, by any client
    "data": (
        errors.CorruptRecordError,
        errors.MessageSizeTooLargeError,
        errors.RecordListTooLargeError,
        errors.InvalidRecordError,
        errors.InvalidTimestampError,
        errors.OffsetMetadataTooLargeError,
        errors.InvalidCommitOffsetSizeError,
        errors.UnsupportedCodecError,
        errors.UnsupportedCompressionTypeError,
        errors.UnsupportedForMessageFormatError,
        errors.InvalidRecordStateError,
        errors.TelemetryTooLargeError,
        RecordTooLargeError,
    ),
    # a defect of the program or of its configuration
    "ours": (
        errors.KafkaError,
        errors.BrokerResponseError,
        errors.NoError,
        errors.IllegalArgumentError,
        errors.KafkaConfigurationError,
        errors.InvalidTopicError,
        errors.InvalidRequiredAcksError,
        errors.InvalidGroupIdError,
        errors.InvalidSessionTimeoutError,
        errors.TopicAlreadyExistsError,
        errors.InvalidPartitionsError,
        errors.InvalidReplicationFactorError,
        errors.InvalidReplicationAssignmentError,
        errors.InvalidConfigurationError,
        errors.InvalidRequestError,
        errors.PolicyViolationError,
        errors.InvalidTransactionTimeoutError,
        errors.OperationNotAttemptedError,
        errors.InvalidPrincipalTypeError,
        errors.TopicDeletionDisabledError,
        errors.ResourceNotFoundError,
        errors.DuplicateResourceError,
        errors.InconsistentVoterSetError,
        errors.InvalidUpdateVersionError,
        errors.DuplicateBrokerRegistrationError,
        errors.BrokerIdNotRegisteredError,
        errors.UnsupportedAssignorError,
        errors.UnknownSubscriptionIdError,
        errors.InvalidRegistrationError,
        errors.InvalidVoterKeyError,
        errors.DuplicateVoterError,
        errors.VoterNotFoundError,
    ),
}
"""The meaning of each class. A subclass that is in no group means the same as its base."""

_BY_TYPE = {kind: meaning for meaning, kinds in GROUPS.items() for kind in kinds}


def kafka_fault(error: KafkaError) -> KafkaFault:
    """Returns the meaning of an error: `transient` if the same client may succeed later; `client` if only a new client
    can; `data` if what was sent or read is never accepted; `ours` if the program or its configuration is wrong."""
    return next(_BY_TYPE[kind] for kind in type(error).__mro__ if kind in _BY_TYPE)
